//! A lack of file descriptors, told apart from other errors of the system.

use std::io;

use rustix::io::Errno;

/// Whether an error says that the process, or the whole system, has too much open: it passes by itself.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_lack_of_descriptors_is_one() {
        for (errno, expected) in [
            (Errno::MFILE, true),
            (Errno::NFILE, true),
            (Errno::NOENT, false),
            (Errno::NOSPC, false),
            (Errno::ACCESS, false),
            (Errno::IO, false),
        ] {
            assert_eq!(is_exhausted(&io::Error::from(errno)), expected, "{errno:?}");
        }
        assert!(!is_exhausted(&io::Error::other("no system's error")));
    }
}
