//! What stands in a path where its row has braces.

use http::Uri;

/// Parameters that one path may have.
pub(super) const PARAMS_MAX: usize = 4;

/// The parts between the slashes.
pub(super) fn segments(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter(|part| !part.is_empty())
}

/// Where in a path its parameters stand.
#[derive(Clone, Copy, Default)]
pub(super) struct Spans {
    bounds: [(u16, u16); PARAMS_MAX],
    count: usize,
}

impl Spans {
    pub(super) fn push(&mut self, from: usize, to: usize) {
        let bound = |at: usize| u16::try_from(at).expect("a path is shorter than hyper's buffer, 64 KiB");
        self.bounds[self.count] = (bound(from), bound(to));
        self.count += 1;
    }
}

/// The parameters of a path.
#[derive(Clone)]
pub struct Params {
    pub(super) uri: Uri,
    pub(super) pattern: &'static str,
    pub(super) spans: Spans,
}

impl Params {
    /// By the name that stands in braces in the row's path.
    pub fn get(&self, name: &str) -> Option<&str> {
        let named = |part: &str| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) == Some(name);
        let index = segments(self.pattern).filter(|part| part.starts_with('{')).position(named)?;
        let (from, to) = self.spans.bounds[..self.spans.count].get(index)?;
        self.uri.path().get(usize::from(*from)..usize::from(*to))
    }
}
