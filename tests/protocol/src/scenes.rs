// SPDX-License-Identifier: GPL-2.0

//! What the threads do, scene by scene. Each of them is played in a world of its own.

mod area;
mod close;
mod gate;
mod pinning;
mod purge_all;
mod unpinning;

/// A scene.
pub struct Scene {
    /// Its name.
    pub name: &'static str,
    /// How often a thread that could go on may be stopped; [`None`] is no limit.
    pub preemptions: Option<usize>,
    /// What happens.
    pub play: fn(),
}

/// A scene of which all orders can be played.
const fn all(name: &'static str, play: fn()) -> Scene {
    Scene {
        name,
        preemptions: None,
        play,
    }
}

/// A scene that has too many of them.
const fn most(preemptions: usize, name: &'static str, play: fn()) -> Scene {
    Scene {
        name,
        preemptions: Some(preemptions),
        play,
    }
}

/// All of them, the short ones at first.
pub const ALL: &[Scene] = &[
    all("mmap_too_long", area::mapped_too_long),
    all("mmap_between_setters", area::set_twice),
    all("mmap_refused", area::refused),
    all("mmap_and_unpin", area::unpinned),
    all("pin_while_purged", pinning::while_purged),
    all("pin_woken_for_nothing", pinning::woken_for_nothing),
    all("pin_the_middle", pinning::the_middle),
    all("pin_is_told_once", pinning::is_told_once),
    all("pin_a_far_range", pinning::a_far_range),
    all("unpin_more", unpinning::more),
    all("unpin_joins_ranges", unpinning::joins_ranges),
    all("close_while_purged", close::while_purged),
    all("close_woken_for_nothing", close::woken_for_nothing),
    all("close_while_all_is_purged", close::while_all_is_purged),
    all("close_one_of_two_regions", close::one_of_two_regions),
    all("close_of_many_ranges", close::of_many_ranges),
    all("gate_woken_for_nothing", gate::woken_for_nothing),
    all("purge_all_woken_for_nothing", purge_all::woken_for_nothing),
    all("purge_all_lets_pin_go_first", purge_all::lets_pin_go_first),
    all(
        "purge_all_lets_pin_go_first_all_the_same",
        purge_all::lets_pin_go_first_all_the_same,
    ),
    all("mmap_by_two", area::mapped_by_two),
    all("mmap_in_both_ways", area::mapped_in_both_ways),
    all("mmap_while_it_shrinks", area::mapped_while_it_shrinks),
    all("mmap_while_looked_at", area::looked_at),
    all("mmap_while_peeked_at", area::peeked_at),
    all("unpin_against_pin", unpinning::against_pin),
    all("purge_all_ends", purge_all::ends),
    all("gate_one_at_a_time", gate::one_at_a_time),
    all("gate_one_is_interrupted", gate::one_is_interrupted),
    most(3, "pin_the_back", pinning::the_back),
    most(4, "pin_two_of_one_range", pinning::two_of_one_range),
    most(4, "pin_while_two_purge", pinning::while_two_purge),
    most(4, "pin_one_of_two_regions", pinning::one_of_two_regions),
    most(4, "purge_all_takes_all", purge_all::takes_all),
    most(
        3,
        "purge_all_lets_two_go_first",
        purge_all::lets_two_go_first,
    ),
    most(3, "purge_all_and_reclaim", purge_all::and_reclaim),
    most(4, "close_while_two_purge", close::while_two_purge),
    most(3, "unpin_by_two_at_first", area::unpinned_by_two),
    most(4, "mask_lowered_by_two", area::mask_lowered),
];
