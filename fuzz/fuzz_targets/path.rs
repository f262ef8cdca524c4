//! Any path: its readings are finite and closed, and the pattern made from a path covers it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use x402_edge::prices::{Pattern, readings};

fuzz_target!(|text: &str| {
    let path = format!("/{text}");
    for fold_case in [true, false] {
        let Ok(all) = readings(&path, fold_case) else { continue };
        // Reading a reading again brings nothing new. Folded ones are for comparing: `%BA` and `%ba` are other texts.
        if path.len() < 200 && !fold_case {
            for reading in &all {
                if let Ok(again) = readings(reading, fold_case) {
                    assert!(again.is_subset(&all), "{path:?}: {reading:?} is read as {again:?}, not in {all:?}");
                }
            }
        }
        // A pattern covers the path it was made from.
        if let Ok(pattern) = Pattern::parse(&path, fold_case)
            && !text.contains(['*', ':', '['])
        {
            assert!(all.iter().any(|reading| pattern.matches(reading)), "{path:?}");
        }
    }
});
