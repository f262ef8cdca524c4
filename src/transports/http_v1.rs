//! HTTP transport v1: offers in the body, `X-PAYMENT`, `X-PAYMENT-RESPONSE`.

/// Client to server: the payment.
pub const X_PAYMENT: &str = "X-PAYMENT";
/// Server to client: the receipt.
pub const X_PAYMENT_RESPONSE: &str = "X-PAYMENT-RESPONSE";
