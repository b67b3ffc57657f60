// SPDX-License-Identifier: GPL-2.0

//! Random programs, and what can be made of programs that are known.

use crate::{
    program::{Line, Program, ACTORS, MAX_LINES, PEER},
    rng::Rng,
    spec::{Op, CALLS, MAX_ARGS, THEMES},
    value::Kind,
};

/// A call, by weight.
fn op(rng: &mut Rng) -> Op {
    let total = CALLS.iter().map(|spec| spec.weight).sum();
    let mut left = rng.below(total);
    for &op in Op::ALL {
        match left.checked_sub(op.spec().weight) {
            Some(rest) => left = rest,
            None => return op,
        }
    }
    Op::OpenAshmem
}

/// A random call of a random actor.
fn line(rng: &mut Rng) -> Line {
    let op = op(rng);
    call(op, rng)
}

/// A call with random arguments, of a random actor.
fn call(op: Op, rng: &mut Rng) -> Line {
    let mut line = Line {
        // Half of all calls are made by one thread, or little would come together.
        actor: if rng.one_in(2) {
            0
        } else {
            rng.below(ACTORS.len())
        },
        is_async: rng.one_in(6),
        op,
        args: [0; MAX_ARGS],
    };
    for (kind, arg) in line.args_mut() {
        *arg = kind.random(rng);
    }
    line
}

/// Some calls that have to do with each other, of one actor on one file descriptor.
fn burst(actor: usize, fd: u64, theme: &[Op], rng: &mut Rng) -> Vec<Line> {
    (0..2 + rng.below(6))
        .map(|_| {
            let mut line = call(*rng.choose(theme), rng);
            line.actor = actor;
            for (kind, arg) in line.args_mut() {
                if matches!(kind, Kind::Fd) {
                    *arg = fd;
                }
            }
            line
        })
        .collect()
}

/// Such calls of any actor, about anything.
fn any_burst(rng: &mut Rng) -> Vec<Line> {
    let theme = rng.choose(THEMES);
    burst(line(rng).actor, Kind::Fd.random(rng), theme, rng)
}

/// Such calls that go on with what `line` does: of its actor, on its file descriptor, about the same.
fn burst_beside(line: &mut Line, rng: &mut Rng) -> Vec<Line> {
    let (actor, op) = (line.actor, line.op);
    let fd = line
        .args_mut()
        .find(|(kind, _)| matches!(kind, Kind::Fd))
        .map(|(_, &mut fd)| fd);
    let themes: Vec<&[Op]> = THEMES
        .iter()
        .copied()
        .filter(|theme| theme.contains(&op))
        .collect();
    match fd {
        Some(fd) if !themes.is_empty() => {
            let theme = *rng.choose(&themes);
            burst(actor, fd, theme, rng)
        }
        _ => any_burst(rng),
    }
}

/// A random program.
pub fn program(rng: &mut Rng) -> Program {
    let count = 1 + rng.below(MAX_LINES / 2);
    Program {
        lines: (0..count).map(|_| line(rng)).collect(),
    }
}

/// A program made of one of `known`, or of two; without any it is random.
pub fn from_known(known: &[Program], rng: &mut Rng) -> Program {
    if known.is_empty() || rng.one_in(50) {
        return program(rng);
    }
    let mut program = pick(known, rng).clone();
    // What a run costs besides its calls is the same for a long one.
    for _ in 0..rng.below(4) {
        append(&mut program, pick(known, rng), rng);
    }
    for _ in 0..=rng.below(6) {
        mutate(&mut program, known, rng);
    }
    program.lines.truncate(MAX_LINES);
    program
}

/// The programs in which one size or offset is another one: nearly all that goes wrong with a range does so right
/// beside what goes well, and chance takes long to come there.
pub fn neighbours(program: &Program) -> Vec<Program> {
    let mut all = Vec::new();
    for at in 0..program.lines.len() {
        for (which, (kind, value)) in program.lines[at].clone().args_mut().enumerate() {
            all.extend(kind.near(*value).map(|near| {
                let mut neighbour = program.clone();
                neighbour.lines[at].args[which] = near;
                neighbour
            }));
        }
    }
    all
}

/// One of the programs; what was found of late more often.
fn pick<'a>(known: &'a [Program], rng: &mut Rng) -> &'a Program {
    match rng.below(3) {
        0 => rng.choose(&known[known.len().saturating_sub(16)..]),
        _ => rng.choose(known),
    }
}

/// Adds the lines of another program; mostly so that they mean the file descriptors that they open.
fn append(program: &mut Program, other: &Program, rng: &mut Rng) {
    let opened = [false, true].map(|is_peer| {
        let opens = |line: &&Line| line.op.opens() && (line.actor == PEER) == is_peer;
        program.lines.iter().filter(opens).count() as u64
    });
    let moves = !rng.one_in(4);
    for mut line in other.lines.iter().copied() {
        let by = opened[usize::from(line.actor == PEER)];
        for (kind, arg) in line.args_mut() {
            if moves && matches!(kind, Kind::Fd) {
                *arg = kind.clamp(*arg + by);
            }
        }
        program.lines.push(line);
    }
}

/// Changes one thing.
fn mutate(program: &mut Program, known: &[Program], rng: &mut Rng) {
    let lines = &mut program.lines;
    if lines.is_empty() {
        lines.push(line(rng));
    }
    let at = rng.below(lines.len());
    match rng.below(16) {
        0 | 1 => lines.insert(rng.below(lines.len() + 1), line(rng)),
        2 => {
            let to = rng.below(lines.len() + 1);
            lines.splice(to..to, any_burst(rng));
        }
        3 => {
            let more = burst_beside(&mut lines[at], rng);
            lines.splice(at + 1..at + 1, more);
        }
        4 | 5 => change_argument(&mut lines[at], rng),
        6 | 7 => relate(lines, at, rng),
        8 => lines[at].actor = rng.below(ACTORS.len()),
        9 => lines[at].is_async ^= true,
        10 => {
            lines.remove(at);
        }
        11 | 12 => {
            // The same again, but a little different.
            let mut copy = lines[at];
            change_argument(&mut copy, rng);
            lines.insert(rng.below(lines.len() + 1), copy);
        }
        13 => {
            let other = rng.below(lines.len());
            lines.swap(at, other);
        }
        14 => {
            // The beginning of one, the end of another.
            let other = &pick(known, rng).lines;
            lines.truncate(at + 1);
            lines.extend(&other[rng.below(other.len().max(1)).min(other.len())..]);
        }
        _ => {
            // A part of another one.
            let other = &pick(known, rng).lines;
            let from = rng.below(other.len() + 1);
            let part = &other[from..other.len().min(from + 1 + rng.below(6))];
            lines.splice(at..at, part.iter().copied());
        }
    }
}

/// Changes an argument, if there is one.
fn change_argument(line: &mut Line, rng: &mut Rng) {
    let count = line.op.spec().args.len();
    if count == 0 {
        return;
    }
    let which = rng.below(count);
    if let Some((kind, arg)) = line.args_mut().nth(which) {
        *arg = kind.mutate(*arg, rng);
    }
}

/// Lets a size or an offset be that of another line, or a page more: what goes wrong is often a
/// matter of how two ranges lie.
fn relate(lines: &mut [Line], at: usize, rng: &mut Rng) {
    let mut sizes = Vec::new();
    for line in lines.iter_mut() {
        let own = line
            .args_mut()
            .filter(|(kind, _)| matches!(kind, Kind::Bytes));
        sizes.extend(own.map(|(_, value)| *value));
    }
    let mut own: Vec<_> = lines[at]
        .args_mut()
        .filter(|(kind, _)| matches!(kind, Kind::Bytes))
        .collect();
    if own.is_empty() {
        return;
    }
    let which = rng.below(own.len());
    let other = *rng.choose(&sizes);
    *own[which].1 = match rng.below(3) {
        0 => Kind::Bytes.mutate(other, rng),
        _ => other,
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_well_formed() {
        let mut rng = Rng::new(7);
        let mut known = vec![Program::default()];
        for _ in 0..2000 {
            let made = from_known(&known, &mut rng);
            assert!(made.lines.len() <= MAX_LINES);
            for line in &made.lines {
                assert!(line.actor < ACTORS.len());
                let count = line.op.spec().args.len();
                assert!(line.args[count..].iter().all(|&arg| arg == 0));
            }
            assert_eq!(Ok(&made), Program::parse(&made.to_string()).as_ref());
            known.push(made);
            if known.len() > 40 {
                known.remove(0);
            }
        }
    }

    #[test]
    fn what_is_appended_has_its_own_files() {
        let parse = |text| Program::parse(text).unwrap();
        let known = parse("a1 open_ashmem flags=RDWR\nb0 get_size fd=0\na0 get_size fd=0\n");
        let made: std::collections::BTreeSet<String> = (0..20)
            .map(|seed| {
                let mut program = parse("a0 open_binder flags=RDWR\n");
                append(&mut program, &known, &mut Rng::new(seed));
                program.to_string()
            })
            .collect();
        let text = "a0 open_binder flags=RDWR\na1 open_ashmem flags=RDWR\n";
        assert!(made.contains(&format!("{text}b0 get_size fd=0\na0 get_size fd=1\n")));
        assert!(made.contains(&format!("{text}b0 get_size fd=0\na0 get_size fd=0\n")));
        assert_eq!(2, made.len());
    }

    #[test]
    fn what_goes_on_is_about_the_same() {
        let mut rng = Rng::new(13);
        let mut known = Program::parse("a2 unpin fd=5 offset=0 len=0 ptr=good").unwrap();
        for _ in 0..100 {
            for mut line in burst_beside(&mut known.lines[0], &mut rng) {
                assert!(THEMES[0].contains(&line.op), "{line}");
                assert_eq!(2, line.actor);
                let mut fds = line.args_mut().filter(|(kind, _)| matches!(kind, Kind::Fd));
                assert!(fds.all(|(_, &mut fd)| fd == 5));
            }
        }
    }

    #[test]
    fn neighbours_differ_in_one_size() {
        let text = "a0 set_size fd=0 size=0x2000\na0 pin fd=0 offset=0 len=0 ptr=good\n";
        let program = Program::parse(text).unwrap();
        let all = neighbours(&program);
        assert_eq!(3 + 2 + 2, all.len());
        for neighbour in &all {
            let differ = |(a, b): &(&Line, &Line)| a.args != b.args;
            let pairs = program.lines.iter().zip(&neighbour.lines);
            assert_eq!(1, pairs.filter(differ).count());
        }
        let text = text.replace("len=0 ", "len=0x1000 ");
        assert!(all.contains(&Program::parse(&text).unwrap()));
    }

    #[test]
    fn the_seed_decides() {
        let make = |seed| program(&mut Rng::new(seed));
        assert_eq!(make(9), make(9));
        assert_ne!(make(9), make(10));
    }

    #[test]
    fn every_call_is_made() {
        let mut rng = Rng::new(11);
        let mut left: Vec<Op> = Op::ALL.to_vec();
        for _ in 0..2000 {
            for line in program(&mut rng).lines {
                left.retain(|&op| op != line.op);
            }
        }
        assert_eq!(Vec::<Op>::new(), left);
    }
}
