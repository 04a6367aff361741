//! A small HTTP client for commands that speak to a running server: JSON in, JSON out.

use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Serialize;
use serde_json::Value;

const REPLY_WITHIN: Duration = Duration::from_secs(60);
const REPLY_MAX: usize = 8 * 1024 * 1024;

/// Requests to one server, as one person. Clones share connections.
#[derive(Clone)]
pub(crate) struct HttpClient {
    inner: Client<HttpConnector, Full<Bytes>>,
    server: String,
    bearer: Option<HeaderValue>,
}

/// A reply of any status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    /// Null where the body is empty or no JSON.
    pub(crate) body: Value,
}

impl HttpClient {
    /// `server` is `http://HOST:PORT`.
    pub(crate) fn new(server: &str) -> anyhow::Result<Self> {
        let server = server.trim_end_matches('/').to_owned();
        if server.starts_with("https:") {
            bail!(
                "https is not available yet in this version: use http to a server on the same machine or network"
            );
        }
        if !server.starts_with("http://") {
            bail!("`{server}` is no server address: use http://HOST:PORT");
        }
        Ok(Self { inner: Client::builder(TokioExecutor::new()).build_http(), server, bearer: None })
    }

    /// The same server, as the one whom `token` names.
    pub(crate) fn with_token(&self, token: &str) -> anyhow::Result<Self> {
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| anyhow::anyhow!("the token has characters that no token has"))?;
        bearer.set_sensitive(true);
        Ok(Self { bearer: Some(bearer), ..self.clone() })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Reply> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &impl Serialize) -> anyhow::Result<Reply> {
        self.send(Method::POST, path, serde_json::to_vec(body)?.into()).await
    }

    /// A request with any method; an empty body is no body.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Bytes) -> anyhow::Result<Reply> {
        let target = format!("{}{path}", self.server);
        let mut request = Request::builder().method(method).uri(&target);
        if let Some(bearer) = &self.bearer {
            request = request.header(AUTHORIZATION, bearer);
        }
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request.body(Full::new(body)).with_context(|| format!("no request to {target}"))?;
        tokio::time::timeout(REPLY_WITHIN, self.exchange(request))
            .await
            .with_context(|| format!("no reply from {target} within {} s", REPLY_WITHIN.as_secs()))?
            .with_context(|| format!("no reply from {target}"))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> anyhow::Result<Reply> {
        let reply = self.inner.request(request).await?;
        let status = reply.status();
        let body = Limited::new(reply.into_body(), REPLY_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the reply broke off: {error}"))?.to_bytes();
        Ok(Reply { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }
}

impl Reply {
    /// The body of a success; the server's own words (RFC 9457 `detail` and `code`) as the error otherwise.
    pub(crate) fn success(self) -> anyhow::Result<Value> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let detail = self.body["detail"].as_str().unwrap_or("the server gave no reason");
        let code = self.body["code"].as_str().unwrap_or(self.status.as_str());
        bail!("{detail} ({code})")
    }
}

/// A string member of a reply; an error that names it where it is missing.
pub(crate) fn text<'a>(body: &'a Value, member: &str) -> anyhow::Result<&'a str> {
    body[member].as_str().with_context(|| format!("the server's reply has no `{member}`"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_servers_words() {
        let reply = Reply {
            status: StatusCode::CONFLICT,
            body: json!({"detail": "That slot is taken.", "code": "slot_taken"}),
        };
        assert_eq!(reply.success().expect_err("refused").to_string(), "That slot is taken. (slot_taken)");
        let reply = Reply { status: StatusCode::BAD_GATEWAY, body: Value::Null };
        assert_eq!(reply.success().expect_err("refused").to_string(), "the server gave no reason (502)");
    }

    #[tokio::test]
    async fn only_addresses_that_can_work_are_taken() {
        assert!(HttpClient::new("http://127.0.0.1:8080/").is_ok());
        assert!(HttpClient::new("https://lab.example").is_err());
        assert!(HttpClient::new("lab.example").is_err());
        let client = HttpClient::new("http://127.0.0.1:8080").expect("an address");
        assert!(client.with_token("a\nb").is_err());
    }
}
