// SPDX-License-Identifier: GPL-2.0

//! What a search must have done: one that has done nothing finds nothing, either.

/// Workers may end once in so many programs, and so often besides: one that can get no memory ends,
/// or one that cannot unmap what a program has mapped. In two million calls none has ended.
const PROGRAMS_PER_RESTART: u64 = 1000;
const RESTARTS_PASSED_OVER: u64 = 2;

/// What a search has done.
#[derive(Clone, Debug)]
pub struct Done {
    /// The calls that it has executed.
    pub calls: u64,
    /// The calls that it was to execute, if it was told.
    pub wanted_calls: Option<u64>,
    /// The places of code that it has covered, if that was looked at.
    pub places: Option<usize>,
    /// For each device its name, and how many ioctls of its own have succeeded.
    pub served: Vec<(&'static str, u64)>,
    /// The programs that it has begun.
    pub programs: u64,
    /// How often workers were started anew.
    pub restarts: u64,
}

impl Done {
    /// Whether workers ended too often: what they then did not do is not known.
    pub fn ended_too_often(&self) -> Option<String> {
        let (restarts, programs) = (self.restarts, self.programs);
        let limit = RESTARTS_PASSED_OVER + programs / PROGRAMS_PER_RESTART;
        (restarts > limit).then(|| format!("workers ended {restarts} times in {programs} programs"))
    }

    /// The first thing that is missing, if anything is.
    pub fn lacks(&self) -> Option<String> {
        self.ended_too_often().or_else(|| self.not_done())
    }

    /// What was to be done and was not.
    fn not_done(&self) -> Option<String> {
        if let Some((name, _)) = self.served.iter().find(|(_, count)| *count == 0) {
            return Some(format!("no call has succeeded on {name}"));
        }
        if self.places == Some(0) {
            return Some("no place of the drivers was covered".to_owned());
        }
        let wanted = self.wanted_calls.filter(|&wanted| self.calls < wanted)?;
        Some(format!("{} calls of {wanted} in that time", self.calls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enough() -> Done {
        Done {
            calls: 100,
            wanted_calls: Some(100),
            places: Some(1),
            served: vec![("ashmem", 1), ("binder_fd", 1)],
            programs: 1000,
            restarts: 3,
        }
    }

    fn lacks(change: impl FnOnce(&mut Done)) -> String {
        let mut done = enough();
        change(&mut done);
        done.lacks().unwrap_or_default()
    }

    #[test]
    fn enough_is_enough() {
        assert_eq!("", lacks(|_| {}));
        assert_eq!("", lacks(|done| done.wanted_calls = None));
        assert_eq!("", lacks(|done| done.places = None));
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(
            "no call has succeeded on ashmem",
            lacks(|done| done.served[0].1 = 0)
        );
        assert_eq!(
            "no call has succeeded on binder_fd",
            lacks(|done| done.served[1].1 = 0)
        );
        assert_eq!(
            "no place of the drivers was covered",
            lacks(|done| done.places = Some(0))
        );
        assert_eq!(
            "workers ended 4 times in 1000 programs",
            lacks(|done| done.restarts = 4)
        );
        assert_eq!(
            "workers ended 3 times in 999 programs",
            lacks(|done| done.programs = 999)
        );
        assert_eq!(
            "99 calls of 100 in that time",
            lacks(|done| done.calls = 99)
        );
    }
}
