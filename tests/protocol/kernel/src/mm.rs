// SPDX-License-Identifier: GPL-2.0

//! Mappings that are being made.

pub mod virt {
    //! The same.

    use crate::error::Result;

    /// A shared mapping that is being made, of the first bytes of a file.
    pub struct VmaNew {
        /// How many bytes.
        length: usize,
        /// Whether it is of the file's own pages.
        shared: bool,
        /// Whether the file will not have it.
        refused: bool,
    }

    impl VmaNew {
        /// One of so many bytes, readable and writable.
        pub fn shared(length: usize) -> Self {
            Self {
                length,
                shared: true,
                refused: false,
            }
        }

        /// The same of memory of one's own.
        pub fn private(length: usize) -> Self {
            Self {
                length,
                shared: false,
                refused: false,
            }
        }

        /// One that the file will not have.
        pub fn refused(length: usize) -> Self {
            Self {
                length,
                shared: true,
                refused: true,
            }
        }

        /// Whether it is of the file's own pages.
        pub fn is_shared(&self) -> bool {
            self.shared
        }

        /// Whether the file will not have it.
        pub fn is_refused(&self) -> bool {
            self.refused
        }

        /// Where it begins.
        pub fn start(&self) -> usize {
            0
        }

        /// Where it ends.
        pub fn end(&self) -> usize {
            self.length
        }

        /// Whether it may be read.
        pub fn readable(&self) -> bool {
            true
        }

        /// Whether it may be written to.
        pub fn writable(&self) -> bool {
            true
        }

        /// Whether it may be executed.
        pub fn executable(&self) -> bool {
            false
        }

        /// It will never be readable.
        pub fn try_clear_mayread(&self) -> Result {
            Ok(())
        }

        /// It will never be writable.
        pub fn try_clear_maywrite(&self) -> Result {
            Ok(())
        }

        /// It will never be executable.
        pub fn try_clear_mayexec(&self) -> Result {
            Ok(())
        }
    }
}
