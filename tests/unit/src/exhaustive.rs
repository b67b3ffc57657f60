// SPDX-License-Identifier: GPL-2.0

//! Every state that a small region can be in, and every operation in each of them.

use std::{
    collections::{hash_map::Entry, BTreeMap, HashMap},
    fmt::Write,
    thread,
};

use crate::{
    model::{Look, Model, Portrait, Shape, Slot},
    op::{all_ranges, Op, Outcome},
    subject::Subject,
    tap::catch,
};

/// What is gone through.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The number of pages.
    pub pages: usize,
    /// The most purges that are under way at a time.
    pub punches: usize,
}

/// A state, and the way there.
struct State {
    /// The model in this state.
    model: Model,
    /// The state before, and the operation that led from it to this one; none for the first state.
    from: Option<(usize, Step)>,
}

/// An operation, and whether there is a spare for it.
#[derive(Clone, Copy)]
struct Step {
    /// Whether there is a spare.
    spare: bool,
    /// The operation.
    op: Op,
}

/// What a thread has found out about its share of the states.
#[derive(Default)]
struct Share {
    /// States that were not known.
    new: HashMap<Portrait, State>,
    /// How often PIN met what is unpinned in each way.
    shapes: BTreeMap<Shape, usize>,
    /// How many operations were compared.
    compared: usize,
}

/// Goes through everything; returns how much that was, or the way to the first difference.
pub fn run(bounds: Bounds) -> Result<String, String> {
    let first = State {
        model: Model::new(bounds.pages),
        from: None,
    };
    let mut known = HashMap::from([(first.model.portrait(), 0)]);
    let mut states = vec![first];
    let mut shapes = BTreeMap::<Shape, usize>::new();
    let mut compared = 0;
    let mut done = 0;

    while done < states.len() {
        let shares = expand_in_parallel(bounds, &states, done, &known)?;

        done = states.len();
        for share in shares {
            compared += share.compared;
            for (shape, count) in share.shapes {
                *shapes.entry(shape).or_default() += count;
            }
            for (portrait, state) in share.new {
                if let Entry::Vacant(entry) = known.entry(portrait) {
                    entry.insert(states.len());
                    states.push(state);
                }
            }
        }
    }
    if shapes.len() != Shape::COUNT {
        return Err(format!(
            "not all that was meant to be has been tested: {shapes:?}"
        ));
    }
    Ok(format!(
        "{} states, {compared} operations; PIN: {shapes:?}",
        states.len()
    ))
}

/// Expands all states from `from` on.
fn expand_in_parallel(
    bounds: Bounds,
    states: &[State],
    from: usize,
    known: &HashMap<Portrait, usize>,
) -> Result<Vec<Share>, String> {
    let threads = thread::available_parallelism().map_or(1, |count| count.get());

    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                scope.spawn(move || {
                    let (mut share, mut subject) = (Share::default(), Subject::new());
                    for at in (from + thread..states.len()).step_by(threads) {
                        expand(bounds, states, at, known, &mut subject, &mut share)?;
                    }
                    Ok(share)
                })
            })
            .collect();
        workers
            .into_iter()
            .map(|worker| worker.join().expect("what panics is caught"))
            .collect()
    })
}

/// Compares every operation in a state.
fn expand(
    bounds: Bounds,
    states: &[State],
    at: usize,
    known: &HashMap<Portrait, usize>,
    subject: &mut Subject,
    share: &mut Share,
) -> Result<(), String> {
    let before = &states[at].model;
    let here = before.portrait();
    let way = way_to(states, at);
    let mut futile = Vec::new();

    for step in steps(bounds, before) {
        share.compared += 1;
        if let Op::Status(range) = step.op {
            futile.push((step, before.status(range), Slot::Empty));
            continue;
        }

        let mut model = before.clone();
        model.apply(Op::Spare(step.spare));
        let outcome = model.apply(step.op);
        if let Op::Pin(range) = step.op {
            *share.shapes.entry(before.shape(range)).or_default() += 1;
        }
        if model.is_like(before) {
            futile.push((step, outcome, model.spare()));
            continue;
        }

        let after = model.portrait();
        check(subject, &way, &[(step, outcome, model.spare())], &after)
            .map_err(|wrong| format!("{wrong}\n{}", describe(&way, &[step])))?;
        if !known.contains_key(&after) {
            let from = Some((at, step));
            share.new.entry(after).or_insert(State { model, from });
        }
    }

    // What changes nothing can be done one after the other.
    check(subject, &way, &futile, &here).map_err(|wrong| {
        let steps: Vec<_> = futile.iter().map(|futile| futile.0).collect();
        format!("{wrong}\n{}", describe(&way, &steps))
    })
}

/// All operations in a state.
fn steps(bounds: Bounds, model: &Model) -> impl Iterator<Item = Step> {
    let ranges = move || all_ranges(bounds.pages);
    let with_spare = [false, true].into_iter().flat_map(move |spare| {
        let ops = ranges().map(Op::Pin).chain(ranges().map(Op::Unpin));
        ops.map(move |op| Step { spare, op })
    });
    let may_punch = model.punches() < bounds.punches;
    // One behind the last page, too.
    let punches = (0..=bounds.pages)
        .filter(move |_| may_punch)
        .flat_map(|page| {
            [1, usize::MAX].into_iter().flat_map(move |most| {
                let (last, from) = (page, page);
                [Op::Punch { last, most }, Op::PunchFrom { from, most }]
            })
        });
    let others = ranges()
        .map(Op::Status)
        .chain(punches)
        .chain((0..model.punches()).map(Op::EndPunch));

    with_spare.chain(others.map(|op| Step { spare: false, op }))
}

/// Compares the module with what should come of `steps`, one after the other, and with what there
/// should be then.
fn check(
    subject: &mut Subject,
    way: &[Step],
    steps: &[(Step, Outcome, Slot)],
    expected: &Portrait,
) -> Result<(), String> {
    catch(|| {
        for step in way {
            subject.apply(Op::Spare(step.spare));
            subject.apply(step.op);
        }
        for (step, outcome, spare) in steps {
            subject.apply(Op::Spare(step.spare));
            let actual = subject.apply(step.op);
            if actual != *outcome {
                return Err(format!(
                    "{}: {actual:?}, but should be {outcome:?}",
                    step.op
                ));
            }
            if *spare != Slot::Either && subject.has_spare() != (*spare == Slot::Full) {
                return Err(format!(
                    "{}: the spare should be {spare:?} then, but is not",
                    step.op
                ));
            }
        }

        let ranges = subject.ranges();
        let actual = (ranges.pages(), ranges.purgeable(), ranges.is_punching());
        let count = |is_such: fn(&&Look) -> bool| expected.pages.iter().filter(is_such).count();
        let expected_counts = (
            count(|page| page.unpinned),
            count(|page| page.left),
            count(|page| page.blocked != 0) != 0,
        );
        if actual != expected_counts {
            return Err(format!(
                "pages, purgeable, is_punching: {actual:?}, but should be {expected_counts:?}"
            ));
        }

        let actual = subject.portrait(expected)?;
        if actual != *expected {
            return Err(format!(
                "what is there then:\n{actual:?}\nbut should be:\n{expected:?}"
            ));
        }
        Ok(())
    })
}

/// The operations that lead to a state.
fn way_to(states: &[State], mut at: usize) -> Vec<Step> {
    let mut way = Vec::new();
    while let Some((before, step)) = states[at].from {
        way.push(step);
        at = before;
    }
    way.reverse();
    way
}

/// Those operations, and the ones that were done there, for people.
fn describe(way: &[Step], steps: &[Step]) -> String {
    let mut text = String::new();

    for (title, steps) in [("after:", way), ("this:", steps)] {
        text.push_str(title);
        for Step { spare, op } in steps {
            let spare = if *spare { " (with a spare)" } else { "" };
            let _ = write!(text, "\n  {op}{spare}");
        }
        text.push('\n');
    }
    text
}
