// SPDX-License-Identifier: GPL-2.0

//! Messages between the parent and a worker, which may bring a file descriptor along.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    self, sockopt, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
};

use crate::outcome::Answer;

/// The longest message.
const LONGEST: usize = 100_000;

/// What was received.
pub struct Message {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The descriptor that came along.
    pub fd: Option<OwnedFd>,
}

/// One end of a connection.
pub struct Socket {
    /// The socket.
    fd: OwnedFd,
    /// Where messages are received: kept, as it is not small.
    buf: Vec<u8>,
}

impl Socket {
    /// A connection over `fd`.
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            buf: vec![0; LONGEST],
        }
    }

    /// Two connected sockets. Receiving on the first fails with `EAGAIN` after `patience`.
    pub fn pair(patience: Duration) -> Answer<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC;
        let (ours, theirs) =
            net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;

        sockopt::set_socket_timeout(&ours, sockopt::Timeout::Recv, Some(patience))?;
        Ok((Self::new(ours), theirs))
    }

    /// Sends a message of at least one byte.
    pub fn send(&self, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> Answer<()> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let fds: Vec<_> = fd.into_iter().collect();

        if !fds.is_empty() {
            ancillary.push(SendAncillaryMessage::ScmRights(&fds));
        }
        net::sendmsg(
            &self.fd,
            &[IoSlice::new(bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )?;
        Ok(())
    }

    /// Receives a message; [`None`] when the other end is closed.
    pub fn receive(&mut self) -> Answer<Option<Message>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut iov = [IoSliceMut::new(&mut self.buf)];
        let got = net::recvmsg(&self.fd, &mut iov, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
        let mut fd = None;

        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                fd = fds.last();
            }
        }
        let bytes = self.buf[..got.bytes].to_vec();
        Ok((!bytes.is_empty()).then_some(Message { bytes, fd }))
    }
}
