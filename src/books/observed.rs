//! What would have been charged: counted by route, rule and hour, and written now and then.

use std::{cell::RefCell, collections::HashMap};

use serde_json::{Value, json};

use crate::{
    ports::{Books, BooksDown, Observation, Statement},
    time::UnixTime,
};

/// Made with the first count; it has no other form yet.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS observed (
    hour INTEGER NOT NULL, prices TEXT NOT NULL, host TEXT NOT NULL, route TEXT NOT NULL, rule INTEGER NOT NULL,
    reason TEXT NOT NULL, network TEXT NOT NULL, asset TEXT NOT NULL, amount TEXT NOT NULL, requests INTEGER NOT NULL,
    PRIMARY KEY (hour, prices, host, route, rule, reason, network, asset, amount)
)";

const COLUMNS: usize = 10;

/// D1 takes 100 values in one statement.
const ROWS_PER_STATEMENT: usize = 100 / COLUMNS;

/// D1 takes 50 statements from one request on the Free plan; some are left for the ledger.
const MAX_STATEMENTS: usize = 20;

/// Different counts that are kept before they are written; others are lost until then.
const MAX_COUNTS: usize = 2_000;

/// Counts that are not written yet. Those of an isolate that ends before are lost.
#[derive(Debug, Default)]
pub struct Observed {
    counts: RefCell<HashMap<(u64, Observation), u64>>,
}

impl Observed {
    /// Counts a request.
    pub fn count(&self, observation: Observation, now: UnixTime) {
        self.add((now.0 / 3600 * 3600, observation), 1);
    }

    fn add(&self, key: (u64, Observation), requests: u64) {
        let mut counts = self.counts.borrow_mut();
        if counts.len() < MAX_COUNTS || counts.contains_key(&key) {
            *counts.entry(key).or_default() += requests;
        }
    }

    /// Whether there is anything to write.
    pub fn is_empty(&self) -> bool {
        self.counts.borrow().is_empty()
    }

    /// Writes as much as one request may; what could not be written is kept.
    pub async fn write(&self, books: &impl Books) -> Result<(), BooksDown> {
        let keys: Vec<(u64, Observation)> =
            self.counts.borrow().keys().take(ROWS_PER_STATEMENT * MAX_STATEMENTS).cloned().collect();
        let mut taken = Vec::new();
        for key in keys {
            let requests = self.counts.borrow_mut().remove(&key);
            taken.extend(requests.map(|requests| (key, requests)));
        }
        if taken.is_empty() {
            return Ok(());
        }
        let mut statements = vec![Statement { sql: TABLE.into(), values: vec![] }];
        statements.extend(taken.chunks(ROWS_PER_STATEMENT).map(statement));
        let written = books.run(&statements).await;
        if written.is_err() {
            for (key, requests) in taken {
                self.add(key, requests);
            }
        }
        written.map(|_| ())
    }
}

fn statement(rows: &[((u64, Observation), u64)]) -> Statement {
    let row = format!("({})", ["?"; COLUMNS].join(", "));
    let sql = format!(
        "INSERT INTO observed (hour, prices, host, route, rule, reason, network, asset, amount, requests) VALUES {} \
         ON CONFLICT (hour, prices, host, route, rule, reason, network, asset, amount) \
         DO UPDATE SET requests = observed.requests + excluded.requests",
        vec![row; rows.len()].join(", ")
    );
    Statement { sql: sql.into(), values: rows.iter().flat_map(values).collect() }
}

/// `rule` is -1 for the route's own terms; network, asset and amount are empty where a request would be refused.
fn values(((hour, seen), requests): &((u64, Observation), u64)) -> Vec<Value> {
    let Observation { version, host, route, rule, reason, offer } = seen;
    let (network, asset, amount) = offer.clone().unwrap_or_default();
    let rule = rule.and_then(|rule| i64::try_from(rule).ok()).unwrap_or(-1);
    let row = json!([hour, version, host, route, rule, reason, network, asset, amount, requests]);
    row.as_array().cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{
        cell::Cell,
        pin::pin,
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::ports::Row;

    #[derive(Default)]
    struct Memory {
        down: Cell<bool>,
        run: RefCell<Vec<Statement>>,
    }

    impl Books for Memory {
        async fn run(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, BooksDown> {
            if self.down.get() {
                return Err(BooksDown("down".to_owned()));
            }
            self.run.borrow_mut().extend(statements.to_vec());
            Ok(Vec::new())
        }
    }

    fn now<T>(future: impl Future<Output = T>) -> T {
        match pin!(future).as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => value,
            Poll::Pending => unreachable!("nothing here waits"),
        }
    }

    fn observation(route: &str, rule: Option<usize>) -> Observation {
        Observation {
            version: "0123456789ab".to_owned(),
            host: String::new(),
            route: route.to_owned(),
            rule,
            reason: "observe",
            offer: rule.map(|_| ("eip155:8453".to_owned(), "0xasset".to_owned(), "10000".to_owned())),
        }
    }

    #[test]
    fn requests_are_counted_by_hour_and_written_once() {
        let (observed, books) = (Observed::default(), Memory::default());
        for second in [7_200, 7_201, 10_799, 10_800] {
            observed.count(observation("/x", Some(0)), UnixTime(second));
        }
        now(observed.write(&books)).unwrap();
        let mut rows: Vec<String> =
            books.run.borrow()[1].values.chunks(COLUMNS).map(|row| Value::from(row.to_vec()).to_string()).collect();
        rows.sort();
        assert_eq!(
            rows,
            [
                r#"[10800,"0123456789ab","","/x",0,"observe","eip155:8453","0xasset","10000",1]"#,
                r#"[7200,"0123456789ab","","/x",0,"observe","eip155:8453","0xasset","10000",3]"#,
            ]
        );
        assert!(observed.is_empty());
    }

    #[test]
    fn what_cannot_be_written_is_kept_and_memory_is_bounded() {
        let (observed, books) = (Observed::default(), Memory::default());
        books.down.set(true);
        for n in 0..5_000 {
            observed.count(observation(&n.to_string(), None), UnixTime(0));
        }
        assert!(now(observed.write(&books)).is_err());
        assert_eq!(observed.counts.borrow().len(), MAX_COUNTS);
        books.down.set(false);
        for _ in 0..10 {
            now(observed.write(&books)).unwrap();
        }
        assert!(observed.is_empty());
        let most = books.run.borrow().iter().map(|statement| statement.values.len()).max();
        assert_eq!(most, Some(100));
    }
}
