//! Texts that JavaScript hands over together: one call with a long text takes less time than one for each.

/// Texts, each with a line break after it.
pub(super) struct Lines {
    text: String,
    /// Where the lines end.
    ends: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: String) -> Self {
        let mut ends = Vec::with_capacity(32);
        // `find` is a good deal quicker than a look at each byte.
        while let Some(at) = text.get(ends.last().map_or(0, |end| end + 1)..).and_then(|rest| rest.find('\n')) {
            ends.push(ends.last().map_or(0, |end| end + 1) + at);
        }
        Self { text, ends }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|end| end + 1));
        begins.zip(&self.ends).filter_map(|(begin, end)| self.text.get(begin..*end))
    }
}
