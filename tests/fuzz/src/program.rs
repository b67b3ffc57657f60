// SPDX-License-Identifier: GPL-2.0

//! Programs and their text: a call a line.
//!
//! A line is the actor, the call, and each of its arguments: `a1 pin fd=0 offset=0 len=0x1000
//! ptr=good`. With `&` behind the actor the next line does not wait until this one is done.

use std::fmt;

use crate::{
    spec::{Op, MAX_ARGS},
    value::Kind,
};

/// Who carries calls out: three threads of one process, and one of another.
pub const ACTORS: [&str; 4] = ["a0", "a1", "a2", "b0"];

/// The actor in the second process.
pub const PEER: usize = 3;

/// The most calls of a program: the executor keeps those that are done in one word.
pub const MAX_LINES: usize = 48;

/// How many words a call takes in the shared memory.
pub const LINE_WORDS: usize = 1 + MAX_ARGS;

/// A call that an actor carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// The number of the actor.
    pub actor: usize,
    /// Whether the next line does not wait for this one.
    pub is_async: bool,
    /// The call.
    pub op: Op,
    /// Its arguments; those that it does not have are 0.
    pub args: [u64; MAX_ARGS],
}

/// A program: calls in the order in which they begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The calls.
    pub lines: Vec<Line>,
}

impl Line {
    /// The call as words: what [`decode`](Self::decode) reads.
    pub fn encode(&self) -> [u64; LINE_WORDS] {
        let mut words = [0; LINE_WORDS];
        words[0] = self.op as u64 | ((self.actor as u64) << 8) | (u64::from(self.is_async) << 16);
        words[1..].copy_from_slice(&self.args);
        words
    }

    /// The call that words are.
    pub fn decode(words: [u64; LINE_WORDS]) -> Option<Self> {
        let mut args = [0; MAX_ARGS];
        args.copy_from_slice(&words[1..]);
        Some(Self {
            actor: ((words[0] >> 8) & 0xff) as usize,
            is_async: (words[0] >> 16) & 1 != 0,
            op: Op::by_number(words[0] & 0xff)?,
            args,
        })
    }

    /// The arguments that the call has, with their kinds.
    pub fn args_mut(&mut self) -> impl Iterator<Item = (Kind, &mut u64)> {
        let kinds = self.op.spec().args.iter().map(|&(_, kind)| kind);
        kinds.zip(self.args.iter_mut())
    }

    /// The call that a line of text is.
    fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_ascii_whitespace();
        let who = words.next().unwrap_or_default();
        let name = who.trim_end_matches('&');
        let actor = ACTORS.iter().position(|actor| *actor == name);
        let call = words.next().unwrap_or_default();
        let op = Op::by_name(call).ok_or_else(|| format!("`{call}` is no call"))?;

        let mut args = [0; MAX_ARGS];
        for (arg, (name, kind)) in args.iter_mut().zip(op.spec().args) {
            let word = words.next().unwrap_or_default();
            *arg = word
                .strip_prefix(name)
                .and_then(|rest| kind.parse(rest.strip_prefix('=')?))
                .ok_or_else(|| format!("`{word}` instead of `{name}=`"))?;
        }
        if let Some(word) = words.next() {
            return Err(format!("`{word}` is one word too many"));
        }
        Ok(Self {
            actor: actor.ok_or_else(|| format!("`{who}` is no actor"))?,
            is_async: who.ends_with('&'),
            op,
            args,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spec = self.op.spec();
        let mark = if self.is_async { "&" } else { "" };
        write!(f, "{}{mark} {}", ACTORS[self.actor], spec.name)?;
        for (&(name, kind), &value) in spec.args.iter().zip(&self.args) {
            write!(f, " {name}={}", kind.show(value))?;
        }
        Ok(())
    }
}

impl Program {
    /// The program that a text is. Empty lines and those that begin with `#` are no calls.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lines = text
            .lines()
            .map(str::trim)
            .enumerate()
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(n, line)| Line::parse(line).map_err(|err| format!("line {}: {err}", n + 1)))
            .collect::<Result<Vec<_>, _>>()?;
        if lines.len() > MAX_LINES {
            return Err(format!(
                "{} calls, and {MAX_LINES} are possible",
                lines.len()
            ));
        }
        Ok(Self { lines })
    }

    /// The actors that have something to do, as bits. Who is sent something has to let go of it.
    pub fn actors(&self) -> u64 {
        self.lines.iter().fold(0, |bits, line| {
            let peer = u64::from(line.op == Op::SendFd) << PEER;
            bits | (1 << line.actor) | peer
        })
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{generate, rng::Rng};

    #[test]
    fn text_and_words_read_back() {
        let mut rng = Rng::new(5);
        for _ in 0..300 {
            let program = generate::program(&mut rng);
            assert_eq!(Ok(&program), Program::parse(&program.to_string()).as_ref());
            for line in &program.lines {
                assert_eq!(Some(*line), Line::decode(line.encode()));
            }
        }
    }

    #[test]
    fn a_program_can_be_written_by_hand() {
        let text = "# a comment\n\n a0 open_ashmem flags=RDWR\nb0& set_size fd=0 size=4096\n";
        let program = Program::parse(text).unwrap();
        assert_eq!(
            "a0 open_ashmem flags=RDWR\nb0& set_size fd=0 size=0x1000\n",
            program.to_string()
        );
        assert_eq!(0b1001, program.actors());
        let program = Program::parse("a1 send_fd fd=0").unwrap();
        assert_eq!(0b1010, program.actors());
    }

    #[test]
    fn what_is_no_program_is_refused() {
        for text in [
            "a0",
            "a9 get_size fd=0",
            "a0 get_size",
            "a0 get_size fd=9",
            "a0 get_size fd=0 x",
            "a0 get_size size=0",
            "a0 no_such_call",
        ] {
            assert!(Program::parse(text).is_err(), "{text}");
        }
        assert!(Program::parse(&"a0 get_size fd=0\n".repeat(MAX_LINES + 1)).is_err());
    }
}
