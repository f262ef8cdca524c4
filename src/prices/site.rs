//! The routes of one host, ready to be looked up.

use super::{Inquiry, Method, Methods, Route, decision::Quote, readings::Readings, trie::Trie};

/// One named host, or all hosts that are not named.
#[derive(Debug)]
pub struct Site {
    host: Option<String>,
    public_url: Option<String>,
    /// The most specific first.
    routes: Vec<Route>,
    trie: Trie,
}

impl Site {
    pub(super) fn new(host: Option<String>, public_url: Option<String>, routes: Vec<Route>) -> Self {
        // Of equally specific patterns a named method comes first; the pointer only makes the order total.
        let mut order: Vec<usize> = (0..routes.len()).collect();
        order.sort_unstable_by(|a, b| {
            let (a, b) = (&routes[*a], &routes[*b]);
            let named = |route: &Route| route.method.is_some();
            b.pattern.specificity(&a.pattern).then(named(b).cmp(&named(a))).then_with(|| a.pointer.cmp(&b.pointer))
        });
        let mut unsorted: Vec<Option<Route>> = routes.into_iter().map(Some).collect();
        let routes: Vec<Route> = order.into_iter().filter_map(|number| unsorted[number].take()).collect();
        let mut trie = Trie::new();
        for (number, route) in routes.iter().enumerate() {
            trie.add(&route.pattern, number);
        }
        Self { host, public_url, routes, trie }
    }

    /// The name as in `hosts`, in lower case; none for all hosts that are not named.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Scheme and host that clients use, where the owner has said it.
    pub fn public_url(&self) -> Option<&str> {
        self.public_url.as_deref()
    }

    /// Its routes, the most specific first.
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Whether a route covers the path for any method, in any reading.
    pub(super) fn is_priced(&self, readings: &Readings) -> bool {
        readings.iter().any(|reading| self.covers(reading))
    }

    /// The same for one reading.
    pub(super) fn covers(&self, reading: &str) -> bool {
        self.trie.covers(reading)
    }

    /// Everything that may be said to the request, over all its readings.
    pub(super) fn quotes<'a, 'r>(
        &'a self,
        readings: impl IntoIterator<Item = &'r str>,
        inquiry: &Inquiry<'_>,
    ) -> Vec<Quote<'a>> {
        let mut numbers = Vec::new();
        for reading in readings {
            let covering = self.trie.covering(reading);
            match inquiry.methods {
                // Whatever is asked for, one of these answers: a dearer one may hide behind the first.
                Methods::Any => numbers.extend(covering),
                Methods::These(methods) => {
                    let first = |method: &Method| {
                        covering.iter().copied().filter(|number| self.routes[*number].is_for(method)).min()
                    };
                    numbers.extend(methods.iter().filter_map(first));
                }
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        let mut quotes = Vec::new();
        for number in numbers {
            self.routes[number].quotes(inquiry, &mut quotes);
        }
        quotes
    }
}
