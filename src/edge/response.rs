//! An [`Answer`] as the runtime's own response object.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, join, select};
use js_sys::{Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, ReadableStream, Response, ResponseInit, WritableStream};
use worker::{Context, Delay};

use super::{
    kept_answer,
    ledger_stub::LedgerStub,
    metered::metered,
    origin::FetchedAnswer,
    runtime::{EditLines, edited, pipe},
};
use crate::{
    gate::{Answer, OurAnswer, Ticket, answer},
    ports::HeaderEdits,
};

/// The response to return. An origin's body stays the runtime's stream: it never passes through WebAssembly.
pub(super) fn to_response(
    answer: Answer<FetchedAnswer>,
    ledger: Option<LedgerStub>,
    context: &Context,
) -> worker::Result<Response> {
    let (fetched, edits, delivery) = match answer {
        Answer::Ours(ours) => return Ok(our_response(&ours)?),
        Answer::Kept(kept) => return Ok(kept_answer::response(&kept)?),
        Answer::Origins { answer, edits, delivery } => (answer.into_raw(), edits, delivery),
    };
    if edits.is_empty() {
        return Ok(fetched);
    }
    let watched = match delivery.zip(ledger) {
        None => None,
        Some((mut ticket, ledger)) => {
            let watched = match ticket.take_metering() {
                // What cannot be metered does not leave.
                Some(metering) => Ok(Some(metered(&fetched, metering, ticket.clone(), ledger.clone())?)),
                None => watch(&fetched),
            };
            Some((watched, ticket, ledger))
        }
    };
    let mut body = match &watched {
        Some((Ok(Some(watched)), ..)) => watched.body.clone(),
        _ => fetched.body(),
    };
    let copy = match &watched {
        Some((_, ticket, _)) if ticket.keeps_answer() => kept_answer::copied(&mut body, &fetched.headers()),
        _ => None,
    };
    let response = with_edits(&fetched, body.as_ref(), &edits);
    if let Some((watched, ticket, ledger)) = watched {
        let sent = response.as_ref().ok().map(|response| (response.status(), response.headers()));
        context.wait_until(async move {
            // If this is lost, the pass is as good as ever, but its payer cannot come back by a signature.
            let _ = ticket.keep_pass(&ledger).await;
            let collecting = async {
                match (&sent, copy) {
                    (Some((status, headers)), Some(copy)) => copy.collect(*status, headers).await,
                    _ => None,
                }
            };
            let arriving = async {
                match watched {
                    _ if sent.is_none() => false,
                    Ok(Some(watched)) => delivered(watched.ended, &ticket, &ledger).await,
                    // Nothing to send, or nothing that can be watched: it is on its way.
                    Ok(None) | Err(_) => true,
                }
            };
            let (kept, whole) = join(collecting, arriving).await;
            if let Some(answer) = kept {
                // Before it is known as delivered: from then on this is the way to it.
                let _ = ticket.keep(&ledger, answer).await;
            }
            // If this is lost, the lease's end makes the content owed: given once more rather than not at all.
            let _ = ticket.delivered(&ledger, whole).await;
        });
    }
    match response {
        Ok(response) => Ok(response),
        // A status that no response may have, such as 999.
        Err(_) => Ok(our_response(&answer::origin_unreadable(&edits))?),
    }
}

/// A body on its way keeps its payment leased, so that no copy makes the origin run beside it.
const STILL_DELIVERING_EVERY: Duration = Duration::from_secs(25);

/// Waits for the end of the way to the client, however long it takes.
async fn delivered(ended: Promise, ticket: &Ticket, ledger: &LedgerStub) -> bool {
    let mut ended = pin!(JsFuture::from(ended));
    loop {
        match select(ended, pin!(Delay::from(STILL_DELIVERING_EVERY))).await {
            Either::Left((end, _)) => return end.is_ok(),
            Either::Right(((), still)) => ended = still,
        }
        let _ = ticket.delivering(ledger).await;
    }
}

/// A body on its way to the client.
pub(super) struct Watched {
    /// What the client reads; nothing where there is no body.
    pub(super) body: Option<ReadableStream>,
    /// Fulfilled when the client has it all, rejected when the client has gone.
    pub(super) ended: Promise,
}

/// Puts a native pipe between the origin and the client, whose end can be waited for. Nothing where there is no
/// body, or no stream but a WebSocket.
fn watch(fetched: &Response) -> Result<Option<Watched>, JsValue> {
    let Some(body) = fetched.body() else { return Ok(None) };
    let pipe = Pipe::new(fetched)?;
    let ended = body.pipe_to(&pipe.writable);
    Ok(Some(Watched { body: Some(pipe.readable), ended }))
}

/// A native pipe.
pub(super) struct Pipe {
    pub(super) readable: ReadableStream,
    pub(super) writable: WritableStream,
}

impl Pipe {
    /// For the body of this answer.
    pub(super) fn new(fetched: &Response) -> Result<Self, JsValue> {
        let pipe = pipe(fetched)?;
        let side = |name: &str| Reflect::get(&pipe, &name.into());
        Ok(Self { readable: side("readable")?.unchecked_into(), writable: side("writable")?.unchecked_into() })
    }
}

/// An origin's answer that nobody waits for, with some headers changed.
pub(super) fn edited_answer(answer: FetchedAnswer, edits: &HeaderEdits) -> Result<Response, JsValue> {
    let fetched = answer.into_raw();
    if edits.is_empty() {
        return Ok(fetched);
    }
    // A status that no response may have, such as 999.
    with_edits(&fetched, fetched.body().as_ref(), edits).or_else(|_| our_response(&answer::origin_unreadable(edits)))
}

pub(super) fn our_response(ours: &OurAnswer) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &ours.headers {
        headers.set(name, value)?;
    }
    let init = ResponseInit::new();
    init.set_status(ours.status);
    init.set_headers(&headers);
    let body = (!ours.body.is_empty()).then_some(ours.body.as_str());
    Response::new_with_opt_str_and_init(body, &init)
}

fn with_edits(fetched: &Response, body: Option<&ReadableStream>, edits: &HeaderEdits) -> Result<Response, JsValue> {
    let EditLines { removed, set, appended } = EditLines::of(edits);
    edited(fetched, body, &removed, &set, &appended)
}
