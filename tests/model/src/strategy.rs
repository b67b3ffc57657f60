// SPDX-License-Identifier: GPL-2.0

//! Random programs.
//!
//! The numbers in front of each kind of operation are weights. They are chosen so that most
//! operations find something to work on, and that regions are often new: what can be done to one
//! before its first mmap is soon over.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::BoxedStrategy;

use crate::args::{Access, Advice, Amount, Name, Pinning, Prot, Sharing, Whence};
use crate::ioctl::*;
use crate::op::{Call, Op, CELLS, FDS, WORKERS};

/// What programs may use.
#[derive(Clone, Copy)]
pub struct Limits {
    /// The number of workers.
    pub workers: usize,
    /// The number of places for descriptors.
    pub fds: usize,
    /// The longest program, without what sets it up.
    pub longest: usize,
    /// How often proptest may try to make a program simpler that shows a difference. What it leaves
    /// is shortened in any case.
    pub shrinks: u32,
    /// Whether it is mostly about pinning, on regions that are mapped from the beginning.
    pub pinning: bool,
}

impl Limits {
    /// One region at a time, and one process.
    pub const SINGLE: Self = Self {
        workers: 1,
        fds: 1,
        longest: 200,
        shrinks: 1000,
        pinning: false,
    };
    /// Several regions in one process.
    pub const REGIONS: Self = Self {
        workers: 1,
        fds: FDS,
        longest: 200,
        shrinks: 1000,
        pinning: false,
    };
    /// Everything.
    pub const PROCESSES: Self = Self {
        workers: WORKERS,
        fds: FDS,
        longest: 200,
        shrinks: 1000,
        pinning: false,
    };
    /// Short programs, as it takes a while to make them simpler.
    pub const SHORT: Self = Self {
        workers: 1,
        fds: 1,
        longest: 40,
        shrinks: 100,
        pinning: false,
    };
    /// Pinning above all, by two processes.
    pub const PINNING: Self = Self {
        workers: 2,
        fds: 2,
        longest: 200,
        shrinks: 1000,
        pinning: true,
    };
    /// The same, but such programs are only shortened.
    pub const TWO_PINNING: Self = Self {
        shrinks: 0,
        ..Self::PINNING
    };
    /// Programs of two processes, which are only shortened.
    pub const TWO: Self = Self {
        workers: 2,
        fds: 2,
        longest: 200,
        shrinks: 0,
        pinning: false,
    };
}

/// Random programs.
pub fn program(limits: Limits) -> BoxedStrategy<Vec<Op>> {
    let op = (0..limits.workers as u8, call(limits)).prop_map(move |(worker, call)| Op {
        worker,
        call: match call {
            // Another worker than the one that forks.
            Call::Fork { child } => Call::Fork {
                child: (worker + 1 + child) % WORKERS as u8,
            },
            call => call,
        },
    });
    let setup = (0..limits.fds as u8)
        .flat_map(move |fd| set_up(limits, fd))
        .collect::<Vec<_>>();

    vec(op, 1..=limits.longest)
        .prop_map(move |ops| [&setup[..], &ops].concat())
        .boxed()
}

/// A region that every worker has, to begin with.
fn set_up(limits: Limits, fd: u8) -> Vec<Op> {
    let owner = fd % limits.workers as u8;
    let pages = if limits.pinning { 6 } else { 2 + fd };
    let size = Amount {
        pages: pages.into(),
        bytes: 0,
    };
    let others = (0..limits.workers as u8).filter(move |&worker| worker != owner);
    let mut calls = vec![
        Call::Open {
            fd,
            access: Access::ReadWrite,
        },
        Call::SetSize { fd, size },
    ];

    if limits.pinning {
        calls.push(Call::Mmap {
            fd,
            at: pages * fd,
            len: pages,
            page: 0,
            prot: Prot(Prot::READ.0 | Prot::WRITE.0),
            sharing: Sharing::Shared,
            populate: false,
            noreserve: false,
        });
    }
    calls.extend(others.map(|worker| Call::Send { fd, worker, to: fd }));
    calls
        .into_iter()
        .map(|call| Op {
            worker: owner,
            call,
        })
        .collect()
}

/// A random call.
fn call(limits: Limits) -> BoxedStrategy<Call> {
    if limits.pinning {
        return prop_oneof![
            3 => descriptor_call(limits),
            5 => region_call(limits),
            12 => mapping_call(limits),
            40 => pinning_call(limits),
        ]
        .boxed();
    }
    prop_oneof![
        20 => descriptor_call(limits),
        35 => region_call(limits),
        45 => mapping_call(limits),
    ]
    .boxed()
}

/// A call on the descriptor as such.
fn descriptor_call(limits: Limits) -> BoxedStrategy<Call> {
    let fd = || 0..limits.fds as u8;
    let other = (limits.workers > 1).into();

    prop_oneof![
        16 => (fd(), access()).prop_map(|(fd, access)| Call::Open { fd, access }),
        4 => fd().prop_map(|fd| Call::Close { fd }),
        6 => (fd(), fd()).prop_map(|(fd, to)| Call::Dup { fd, to }),
        10 * other => (fd(), 0..limits.workers as u8, fd())
            .prop_map(|(fd, worker, to)| Call::Send { fd, worker, to }),
        // Dear: one is worth a dozen others. The number of the child is one that is added to the parent's.
        other => (0..WORKERS as u8 - 1).prop_map(|child| Call::Fork { child }),
        1 => Just(Call::Check {}),
    ]
    .boxed()
}

/// A call on a region, through a descriptor.
fn region_call(limits: Limits) -> BoxedStrategy<Call> {
    let fd = || 0..limits.fds as u8;

    prop_oneof![
        6 => (fd(), size()).prop_map(|(fd, size)| Call::SetSize { fd, size }),
        4 => (fd(), name()).prop_map(|(fd, name)| Call::SetName { fd, name }),
        3 => (fd(), mask()).prop_map(|(fd, mask)| Call::SetProtMask { fd, mask }),
        2 => pinning_call(limits),
        1 => (fd(), unknown()).prop_map(|(fd, cmd)| Call::Unknown { fd, cmd }),
        7 => (fd(), 0..300_u16).prop_map(|(fd, len)| Call::Read { fd, len }),
        5 => (fd(), position(), 0..300_u16)
            .prop_map(|(fd, offset, len)| Call::Pread { fd, offset, len }),
        1 => fd().prop_map(|fd| Call::Write { fd }),
        7 => (fd(), position(), select(Whence::ALL))
            .prop_map(|(fd, offset, whence)| Call::Lseek { fd, offset, whence }),
    ]
    .boxed()
}

/// A call on what is unpinned in a region.
fn pinning_call(limits: Limits) -> BoxedStrategy<Call> {
    (0..limits.fds as u8, pinning(), range())
        .prop_map(|(fd, command, (offset, len))| Call::Pin {
            fd,
            command,
            offset,
            len,
        })
        .boxed()
}

/// A command on pinning.
fn pinning() -> BoxedStrategy<Pinning> {
    prop_oneof![
        5 => Just(Pinning::Pin),
        6 => Just(Pinning::Unpin),
        2 => Just(Pinning::Status),
        3 => Just(Pinning::PurgeAll),
    ]
    .boxed()
}

/// The range of a command on pinning: mostly some of a few pages, so that ranges meet.
fn range() -> BoxedStrategy<(Amount, Amount)> {
    let pages = |pages| Amount { pages, bytes: 0 };

    prop_oneof![
        24 => (0..5, 0..4).prop_map(move |(offset, len)| (pages(offset), pages(len))),
        1 => (small(), small()),
        1 => (position(), position()),
    ]
    .boxed()
}

/// A call on the address space.
fn mapping_call(limits: Limits) -> BoxedStrategy<Call> {
    let fd = || 0..limits.fds as u8;
    let at = || 0..CELLS as u8;
    let mmap = (
        fd(),
        cells(),
        first_page(),
        prot(),
        select(Sharing::ALL),
        sometimes(),
        sometimes(),
    );

    prop_oneof![
        14 => mmap.prop_map(|(fd, (at, len), page, prot, sharing, populate, noreserve)| {
            Call::Mmap { fd, at, len, page, prot, sharing, populate, noreserve }
        }),
        2 => cells().prop_map(|(at, len)| Call::Munmap { at, len }),
        4 => (cells(), prot()).prop_map(|((at, len), prot)| Call::Mprotect { at, len, prot }),
        4 => (cells(), select(Advice::ALL))
            .prop_map(|((at, len), advice)| Call::Madvise { at, len, advice }),
        2 => (at(), at()).prop_map(|(at, to)| Call::Mremap { at, to }),
        8 => (at(), word()).prop_map(|(at, offset)| Call::Load { at, offset }),
        12 => (at(), word(), 0..=255_u64)
            .prop_map(|(at, offset, byte)| Call::Store { at, offset, value: byte * (u64::MAX / 255) }),
    ]
    .boxed()
}

/// Mostly for reading and writing.
fn access() -> impl Strategy<Value = Access> {
    prop_oneof![
        8 => Just(Access::ReadWrite),
        2 => Just(Access::ReadOnly),
        1 => Just(Access::WriteOnly),
    ]
}

/// Mostly false.
fn sometimes() -> impl Strategy<Value = bool> {
    prop_oneof![3 => Just(false), 1 => Just(true)]
}

/// Mostly for reading and writing.
fn prot() -> impl Strategy<Value = Prot> {
    prop_oneof![
        4 => Just(Prot(Prot::READ.0 | Prot::WRITE.0)),
        2 => Just(Prot::READ),
        2 => (0..=Prot::ALL.0).prop_map(Prot),
    ]
}

/// Some pages of the arena: the first, and how many.
fn cells() -> impl Strategy<Value = (u8, u8)> {
    (0..CELLS as u8, 1..=4_u8).prop_map(|(at, len)| (at, len.min(CELLS as u8 - at)))
}

/// A page of a region, or one far beyond any.
fn first_page() -> impl Strategy<Value = u64> {
    prop_oneof![6 => Just(0), 6 => 0..6_u64, 1 => Just(1 << 30)]
}

/// A word in a page, near either end.
fn word() -> impl Strategy<Value = Amount> {
    (0..=1, 0..3_i64).prop_map(|(pages, n)| Amount {
        pages,
        bytes: if pages == 0 { n * 8 } else { -8 - n * 8 },
    })
}

/// An amount around a small number of pages.
fn small() -> impl Strategy<Value = Amount> {
    let bytes = prop_oneof![2 => Just(0), 1 => -9..=9_i64];

    (0..7, bytes).prop_map(|(pages, bytes)| Amount { pages, bytes })
}

/// An amount that is at the edge of something.
fn extreme() -> impl Strategy<Value = Amount> {
    const EDGES: [i64; 7] = [
        -1,
        i64::MIN,
        i64::MIN + 1,
        i64::MAX,
        5 << 30,
        (5 << 30) + 1,
        1 << 46,
    ];

    select(&EDGES[..]).prop_map(|bytes| Amount { pages: 0, bytes })
}

/// A size: mostly one that can be had.
fn size() -> impl Strategy<Value = Amount> {
    prop_oneof![9 => small(), 1 => extreme()]
}

/// An offset in a file.
fn position() -> impl Strategy<Value = Amount> {
    prop_oneof![9 => small(), 1 => extreme()]
}

/// A protection mask, or something else.
fn mask() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(7_u64),
        8 => 0..8_u64,
        1 => select(&[8, 1 << 32, u64::MAX, 0x0100_0001][..]),
    ]
}

/// A name: short ones, hostile ones, and such as are as long as can be.
fn name() -> impl Strategy<Value = Name> {
    const LENGTHS: [usize; 5] = [1, 254, 255, 256, 400];

    prop_oneof![
        4 => select(&["demo", "", "a/b", "x (deleted)", "a\nsize:\t1", "\u{e9}"][..])
            .prop_map(|name| Name(name.into())),
        2 => vec(1..=255_u8, 0..6).prop_map(Name),
        1 => select(&LENGTHS[..]).prop_map(|len| Name((0..len).map(|n| b'a' + n as u8 % 26).collect())),
    ]
}

/// A command that the device does not have: known ones with another size or direction, and others.
fn unknown() -> impl Strategy<Value = u32> {
    let (direction, size) = (1 << 30, 1 << 16);
    let commands = vec![
        ASHMEM_SET_NAME + size,
        ASHMEM_SET_NAME ^ (3 * direction),
        ASHMEM_GET_NAME - size,
        ASHMEM_SET_SIZE - 4 * size,
        ASHMEM_SET_SIZE ^ (3 * direction),
        ASHMEM_GET_SIZE + size,
        ASHMEM_SET_PROT_MASK - 4 * size,
        ASHMEM_GET_PROT_MASK + direction,
        ASHMEM_GET_FILE_ID - 4 * size,
        ASHMEM_GET_FILE_ID + 1,
        ASHMEM_GET_SIZE + 100,
        0,
        u32::MAX,
    ];

    select(commands)
}
