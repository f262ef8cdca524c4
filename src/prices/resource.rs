//! What an owner says of what is sold (x402 v2 `ResourceInfo`).

use crate::x402::ResourceInfo;

use super::{
    Diagnosis,
    diagnosis::keep,
    json::{Members, Node},
    url::read_url,
};

/// Longer descriptions make Coinbase's facilitator refuse every payment of the route.
const MAX_DESCRIPTION_CHARS: usize = 500;
const MAX_ICON_URL_BYTES: usize = 2048;
const MAX_TAGS: usize = 5;
const MAX_NAME_BYTES: usize = 32;

pub(super) fn read_resource(members: &Members<'_>, problems: &mut Vec<Diagnosis>) -> ResourceInfo {
    ResourceInfo {
        url: members.read("resource", read_url, problems).unwrap_or_default(),
        description: members.read("description", read_description, problems),
        mime_type: members.read("mimeType", Node::string, problems),
        service_name: members.read("serviceName", read_name, problems),
        tags: members.get("tags").map_or_else(Vec::new, |node| read_tags(node, problems)),
        icon_url: members.read("iconUrl", read_icon, problems),
    }
}

fn read_description(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    if text.chars().count() > MAX_DESCRIPTION_CHARS {
        return Err(node.problem(format!(
            "a description has at most {MAX_DESCRIPTION_CHARS} characters; facilitators refuse payments for longer ones"
        )));
    }
    Ok(text)
}

fn read_name(node: &Node<'_>) -> Result<String, Diagnosis> {
    let text = node.string()?;
    let printable = text.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
    if !printable || !(1..=MAX_NAME_BYTES).contains(&text.len()) {
        return Err(node.problem(format!("expected 1 to {MAX_NAME_BYTES} printable ASCII characters")));
    }
    Ok(text)
}

fn read_tags(node: &Node<'_>, problems: &mut Vec<Diagnosis>) -> Vec<String> {
    let tags = keep(node.array(), problems).unwrap_or_default();
    if tags.len() > MAX_TAGS {
        problems.push(node.problem(format!("at most {MAX_TAGS} tags")));
    }
    tags.iter().filter_map(|tag| keep(read_name(tag), problems)).collect()
}

fn read_icon(node: &Node<'_>) -> Result<String, Diagnosis> {
    let url = node.string()?;
    if url.len() > MAX_ICON_URL_BYTES {
        return Err(node.problem(format!("an iconUrl has at most {MAX_ICON_URL_BYTES} bytes")));
    }
    Ok(url)
}
