//! The rules of a route: the first whose conditions are met says the terms.

use super::{
    Diagnosis, Inquiry, Policy, When, json::Node, offer, scope::Scope, terms, terms::Terms, token::Tokens, when::Holds,
};

/// Rules that one route may have.
const MAX_RULES: usize = 100;

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    when: When,
    terms: Terms,
}

impl Rule {
    /// Its conditions.
    pub const fn when(&self) -> &When {
        &self.when
    }

    /// What it says.
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The same, told to clients as the route's policy wants.
    pub(super) fn told(self, policy: &Policy) -> Self {
        Self { terms: policy.told_in(self.terms), ..self }
    }

    pub(super) fn holds(&self, inquiry: &Inquiry<'_>) -> Holds {
        self.when.holds(inquiry)
    }
}

/// Reads `rules`.
pub(super) fn read_rules(node: &Node<'_>, scope: &Scope, tokens: &Tokens, problems: &mut Vec<Diagnosis>) -> Vec<Rule> {
    let items = match node.array() {
        Ok(items) if items.len() <= MAX_RULES => items,
        Ok(_) => {
            problems.push(node.problem(format!("at most {MAX_RULES} rules")));
            return Vec::new();
        }
        Err(problem) => {
            problems.push(problem);
            return Vec::new();
        }
    };
    let mut rules: Vec<Rule> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(rule) = read_rule(item, scope, tokens, problems) else { continue };
        if rule.when.is_empty() && index + 1 < items.len() {
            problems.push(Diagnosis::new(
                &item.pointer,
                "an empty when matches every request, so the rules after this one never count; put it last",
            ));
        }
        if let Some(first) = rules.iter().position(|other| other.when.asks_the_same(&rule.when)) {
            problems.push(Diagnosis::new(
                &item.pointer,
                format!("rule {first} has the same when and comes first, so this one never counts"),
            ));
        }
        rules.push(rule);
    }
    rules
}

fn read_rule(node: &Node<'_>, scope: &Scope, tokens: &Tokens, problems: &mut Vec<Diagnosis>) -> Option<Rule> {
    let allowed: Vec<&str> = ["when"].into_iter().chain(terms::KEYS).chain(offer::KEYS).collect();
    let members = node.members(&allowed, problems)?;
    let when = members.get("when").and_then(|node| When::read(node, problems));
    if !members.has("when") {
        problems.push(Diagnosis::new(
            &node.pointer,
            "when is missing: what a request must be for this rule, such as {\"verifiedBot\": true}",
        ));
    }
    let says_terms = ["free", "deny", "price", "accepts"].iter().any(|key| members.has(key));
    if !says_terms {
        problems.push(Diagnosis::new(
            &node.pointer,
            "a rule says one of \"free\": true, \"price\", \"accepts\" or \"deny\": true",
        ));
        return None;
    }
    let terms = Terms::read(node, &members, scope, tokens, problems);
    Some(Rule { when: when?, terms: terms? })
}
