//! An answer that is metered on its way: what it costs is known, and settled, when it has ended.

use std::{pin::pin, time::Duration};

use futures_util::future::{Either, select};
use js_sys::{Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, future_to_promise};
use web_sys::{ReadableStream, ReadableStreamDefaultReader, Response, WritableStream, WritableStreamDefaultWriter};
use worker::Delay;

use super::{
    host::Host,
    ledger_stub::LedgerStub,
    response::{Pipe, Watched},
};
use crate::{
    gate::{Ended, Metering, Ticket},
    metering::Meter,
    ports::{Clock, Journal},
    time::UnixTime,
};

/// Pauses before the ledger is told again what it could not be told.
const PAUSES: [Duration; 3] = [Duration::from_millis(300), Duration::from_secs(2), Duration::from_secs(10)];

/// When the client has gone the runtime gives us 30 s: so long the origin is read on, and some is kept for the ledger.
const READ_ON_SECONDS: u64 = 20;

/// Lets the body pass by the meter. At its end the ledger is told; a client that has gone does not end it.
pub(super) fn metered(
    fetched: &Response,
    mut metering: Metering,
    ticket: Ticket,
    ledger: LedgerStub,
) -> Result<Watched, JsValue> {
    let pipe = fetched.body().map(|body| Ok::<_, JsValue>((body, Pipe::new(fetched)?))).transpose()?;
    let body = pipe.as_ref().map(|(_, pipe)| pipe.readable.clone());
    let ended = future_to_promise(async move {
        let (ended, arrived) = match pipe {
            Some((body, pipe)) => pass(&body, &pipe.writable, metering.meter()).await?,
            None => (Ended::Whole, true),
        };
        charge(&metering, ended, &ticket, &ledger).await;
        if arrived { Ok(JsValue::UNDEFINED) } else { Err(JsValue::UNDEFINED) }
    });
    Ok(Watched { body, ended })
}

/// Returns how it ended, and whether the client has all of it.
async fn pass(body: &ReadableStream, to: &WritableStream, meter: &mut Meter) -> Result<(Ended, bool), JsValue> {
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let writer: WritableStreamDefaultWriter = to.get_writer()?;
    let mut arrives = true;
    let mut read_until = None;
    loop {
        let read = JsFuture::from(reader.read());
        let part = match read_until {
            None => read.await,
            Some(until) => match select(pin!(read), pin!(Delay::from(time_left(until)))).await {
                Either::Left((part, _)) => part,
                Either::Right(((), _)) => {
                    // The runtime would cut us off: what was seen is charged.
                    let _ = reader.cancel();
                    return Ok((Ended::Whole, false));
                }
            },
        };
        let part = match part {
            Ok(part) => part,
            Err(error) => {
                // The client must see that something is missing.
                let _ = JsFuture::from(writer.abort_with_reason(&error)).await;
                return Ok((Ended::BrokenOff, false));
            }
        };
        if Reflect::get(&part, &"done".into())?.is_truthy() {
            arrives = arrives && JsFuture::from(writer.close()).await.is_ok();
            return Ok((Ended::Whole, arrives));
        }
        let bytes: Uint8Array = Reflect::get(&part, &"value".into())?.unchecked_into();
        if meter.reads() {
            meter.take(&bytes.to_vec());
        } else {
            meter.count(bytes.length().into());
        }
        if arrives && JsFuture::from(writer.write_with_chunk(&bytes)).await.is_err() {
            arrives = false;
            read_until = Some(Host.now().plus(READ_ON_SECONDS));
        }
    }
}

fn time_left(until: UnixTime) -> Duration {
    Duration::from_secs(until.0.saturating_sub(Host.now().0))
}

async fn charge(metering: &Metering, ended: Ended, ticket: &Ticket, ledger: &LedgerStub) {
    if let Some(remark) = metering.remark().filter(|_| ended == Ended::Whole) {
        Host.fault(&format!("origin: {remark}"));
    }
    for pause in PAUSES.into_iter().map(Some).chain([None]) {
        match metering.end(ended, Host.now(), ticket, ledger).await {
            Ok(true) => return,
            Ok(false) => return Host.fault("a metered answer outlived its hold and is not charged"),
            Err(_) => {}
        }
        match pause {
            Some(pause) => Delay::from(pause).await,
            None => Host.fault("the ledger cannot be reached; an answer has left and is not charged"),
        }
    }
}
