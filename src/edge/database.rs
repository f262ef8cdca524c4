//! [`Books`] by D1.

use js_sys::{Array, Function, JSON, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::ports::{Books, BooksDown, Row, Statement};

/// A D1 binding.
#[derive(Clone)]
pub(super) struct Database {
    binding: JsValue,
}

impl Database {
    pub(super) const fn new(binding: JsValue) -> Self {
        Self { binding }
    }

    async fn batch(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, JsValue> {
        let prepared = Array::new();
        for Statement { sql, values } in statements {
            let values = serde_json::to_string(values).unwrap_or_default();
            let values: Array = JSON::parse(&values)?.dyn_into()?;
            let statement = method(&self.binding, "prepare")?.call1(&self.binding, &sql.as_ref().into())?;
            prepared.push(&method(&statement, "bind")?.apply(&statement, &values)?);
        }
        let promise: Promise = method(&self.binding, "batch")?.call1(&self.binding, &prepared)?.dyn_into()?;
        let answers: Array = JsFuture::from(promise).await?.dyn_into()?;
        let read = |answer: JsValue| {
            let rows = Reflect::get(&answer, &"results".into())?;
            let text = if rows.is_object() { String::from(JSON::stringify(&rows)?) } else { "[]".to_owned() };
            serde_json::from_str(&text).map_err(|_| JsValue::NULL)
        };
        answers.iter().map(read).collect()
    }
}

fn method(target: &JsValue, name: &str) -> Result<Function, JsValue> {
    Reflect::get(target, &name.into())?.dyn_into()
}

impl Books for Database {
    async fn run(&self, statements: &[Statement]) -> Result<Vec<Vec<Row>>, BooksDown> {
        self.batch(statements).await.map_err(|error| {
            let text = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
            BooksDown(text.unwrap_or_else(|| "no answer".to_owned()))
        })
    }
}
