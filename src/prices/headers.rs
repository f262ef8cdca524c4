//! Headers of a request, as rules see them.

/// The headers of one request. Names are compared without case.
pub trait Headers {
    /// A header's value; several lines joined by `, `.
    fn get(&self, name: &str) -> Option<String>;
    /// The names of all headers.
    fn names(&self) -> Vec<String>;
}

impl Headers for Vec<(String, String)> {
    fn get(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> =
            self.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }

    fn names(&self) -> Vec<String> {
        self.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Whether the most careless server takes one header for the other: CGI and its heirs read `X_Plan`, `X.Plan` and
/// `X-Plan` as the same variable. Names are ASCII (RFC 9110 §5.1).
pub fn reads_as(name: &str, other: &str) -> bool {
    name.len() == other.len() && begins_as(name, other)
}

/// Whether that server reads a name so that it begins like this.
pub fn begins_as(name: &str, beginning: &str) -> bool {
    name.len() >= beginning.len() && name.bytes().zip(beginning.bytes()).all(|(a, b)| canonical(a) == canonical(b))
}

const fn canonical(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

/// Headers whose values are lists or hold commas by nature: the whole value is what counts.
const WITH_COMMAS: [&str; 6] =
    ["accept", "accept-language", "accept-encoding", "accept-charset", "user-agent", "cookie"];

/// Every value that a server might take a header for: the value itself first; then its parts, if lines may have
/// been joined, and the values of headers that a careless server takes for this one. The last tells whether the
/// header is there under its own name.
pub(super) fn readings_of(headers: &dyn Headers, name: &str) -> (Vec<String>, bool) {
    let mut readings = Vec::new();
    let own = headers.get(name);
    let is_there = own.is_some();
    if let Some(own) = own {
        let joined = own.contains(',') && !WITH_COMMAS.iter().any(|known| known.eq_ignore_ascii_case(name));
        let parts: Vec<String> =
            if joined { own.split(',').map(|part| part.trim().to_owned()).collect() } else { Vec::new() };
        readings.push(own);
        readings.extend(parts);
    }
    let twins = headers.names().into_iter().filter(|other| !other.eq_ignore_ascii_case(name));
    readings.extend(twins.filter(|other| reads_as(other, name)).filter_map(|other| headers.get(&other)));
    (readings, is_there)
}
