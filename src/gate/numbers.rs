//! Numbers of answers that were said before: the outside keeps their texts and says one again when it is told its
//! number. Who gets which answer is decided for every request all the same.

use std::collections::HashMap;

/// So many answers are kept at a time; a site that uses more begins anew.
const MAX_KEPT: usize = 256;

/// The answers to longer URLs are made each time.
const MAX_URL_BYTES: usize = 512;

/// By template and URL, those that have been said.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<(usize, String), usize>);

/// A number below [`MAX_KEPT`], and whether its answer has been said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// The answer that was last said with this number is the one.
    Known(usize),
    /// From now on this is the number of the answer.
    New(usize),
}

impl Numbers {
    /// The number of the answer that is made of this template for this URL.
    pub(super) fn of(&mut self, template: usize, url: &str) -> Option<Number> {
        if url.len() > MAX_URL_BYTES {
            return None;
        }
        let answer = (template, url.to_owned());
        if let Some(number) = self.0.get(&answer) {
            return Some(Number::Known(*number));
        }
        if self.0.len() >= MAX_KEPT {
            self.0.clear();
        }
        // Whoever begins anew says each number with its answer before telling it alone.
        let number = self.0.len();
        self.0.insert(answer, number);
        Some(Number::New(number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn what_was_last_said_with_a_number_is_what_it_stands_for() {
        let (mut numbers, mut outside, mut again) = (Numbers::default(), HashMap::new(), 0);
        for step in 0..5_000_usize {
            if step % 700 == 699 {
                numbers = Numbers::default();
            }
            let (template, url) = (step % 3, format!("/{}", step * step % 211));
            match numbers.of(template, &url).unwrap() {
                Number::New(number) => {
                    assert!(number < MAX_KEPT);
                    outside.insert(number, (template, url));
                }
                Number::Known(number) => {
                    again += 1;
                    assert_eq!(outside[&number], (template, url), "step {step}");
                }
            }
        }
        assert!(again > 500, "{again}");
        assert_eq!(numbers.of(0, &"a".repeat(MAX_URL_BYTES + 1)), None);
    }
}
