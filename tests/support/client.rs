//! A client of the REST interface.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// The server went away before it answered: whether it did what it was asked is unknown.
#[derive(Debug)]
pub(crate) struct Gone;

/// A reply of any status.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Reply {
    /// The stable code of a refusal; empty for none.
    pub(crate) fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }
}

/// Requests to one server, as one person.
#[derive(Clone)]
pub(crate) struct Client {
    inner: HyperClient<HttpConnector, Full<Bytes>>,
    pub(crate) url: String,
    pub(crate) token: String,
}

impl Client {
    pub(crate) fn new(url: &str, token: &str) -> Self {
        let inner = HyperClient::builder(TokioExecutor::new()).build_http();
        Self { inner, url: url.to_owned(), token: token.to_owned() }
    }

    /// The same server as somebody else.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Reply, Gone> {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Result<Reply, Gone> {
        self.send(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Result<Reply, Gone> {
        self.send(Method::DELETE, path, None).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Result<Reply, Gone> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if !self.token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        }
        let body = match body {
            None => Bytes::new(),
            Some(body) => {
                request = request.header(CONTENT_TYPE, "application/json");
                body.to_string().into()
            }
        };
        let request = request.body(Full::new(body)).expect("a well-formed request");
        let reply = self.inner.request(request).await.map_err(|_| Gone)?;
        let status = reply.status();
        let body = reply.into_body().collect().await.map_err(|_| Gone)?.to_bytes();
        Ok(Reply { status, body: serde_json::from_slice(&body).unwrap_or_default() })
    }

    /// Signs in and returns the token.
    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Result<String, Gone> {
        let reply = self.post("/auth/login", json!({ "email": email, "password": password })).await?;
        assert_eq!(reply.status, StatusCode::OK, "{:?}", reply.body);
        Ok(reply.body["access_token"].as_str().expect("a token").to_owned())
    }
}
