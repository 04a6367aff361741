//! The web console's files, embedded in the binary, as one warp filter.
//!
//! `app/` holds the TypeScript sources, which Vite builds into `dist/`; this module serves what stood there when the
//! binary was compiled. It knows nothing about robots or bookings: the console speaks to the public interfaces only, as
//! anybody else's client would. No template, no session and no personal data ever live here.

use std::fmt::Write;

use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, Method, Response, StatusCode};
use rust_embed::{EmbeddedFile, RustEmbed};
use warp::filters::path::Tail;
use warp::reject::Reject;
use warp::{Filter, Rejection, hyper::body::Bytes};

#[derive(RustEmbed)]
#[folder = "src/console/dist"]
struct Dist;

/// Where Vite puts files whose names carry a hash of their content.
const HASHED: &str = "assets/";
const PAGE: &str = "index.html";

/// Scripts, styles and connections of this origin and nothing else; no inline code; no text ever becomes markup except
/// through Lit's own templates.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types lit-html";

const MISSING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Curfew</title>\
     <h1>This build has no console</h1><p>The server is running and its interfaces work, but the console was not \
     built before the binary was compiled. Run <code>npm ci &amp;&amp; npm run build</code> in \
     <code>src/console</code> (or <code>make build</code>) and compile again.</p>";

/// Why a request for a file of the console was rejected: with a method that is none of [`METHODS`].
#[derive(Debug)]
pub struct ReadOnly;

impl Reject for ReadOnly {}

/// As `Allow` has them.
pub const METHODS: &str = "GET, HEAD";

/// Serves the console: the page at `/`, its files below it. Rejects whatever is not one of them (as not found), so that it can stand
/// last among the routes, and other methods (as [`ReadOnly`]). Pages of the console are behind the fragment, so no other path
/// leads to the page.
pub fn routes() -> impl Filter<Extract = (Response<Bytes>,), Error = Rejection> + Clone {
    warp::path::tail().and(warp::method()).and(warp::header::headers_cloned()).and_then(
        |tail: Tail, method: Method, headers: HeaderMap| async move {
            respond(tail.as_str(), &method, &headers)
        },
    )
}

/// Whether the console was built before this binary was.
pub fn is_embedded() -> bool {
    Dist::get(PAGE).is_some()
}

fn respond(path: &str, method: &Method, headers: &HeaderMap) -> Result<Response<Bytes>, Rejection> {
    let name = if path.is_empty() { PAGE } else { path };
    let file = Dist::get(name);
    if file.is_none() && name != PAGE {
        return Err(warp::reject::not_found());
    }
    if method != Method::GET && method != Method::HEAD {
        return Err(warp::reject::custom(ReadOnly));
    }
    Ok(file.map_or_else(
        || html(StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(MISSING.as_bytes())),
        |file| serve(name, file, headers),
    ))
}

fn serve(name: &str, file: EmbeddedFile, request: &HeaderMap) -> Response<Bytes> {
    let etag = etag(&file);
    let unchanged = request.get(IF_NONE_MATCH).and_then(|seen| seen.to_str().ok()).is_some_and(|seen| {
        seen.split(',').any(|one| one.trim().trim_start_matches("W/") == etag || one.trim() == "*")
    });
    let body = match file.data {
        _ if unchanged => Bytes::new(),
        std::borrow::Cow::Borrowed(data) => Bytes::from_static(data),
        std::borrow::Cow::Owned(data) => Bytes::from(data),
    };
    let mut response = Response::new(body);
    if unchanged {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    guard(response.headers_mut());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type(name, file.metadata.mimetype()));
    // A hashed name never changes what it means; the page that names it is asked for each time.
    let cache = if name.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, value);
    }
    response
}

fn html(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    guard(response.headers_mut());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn guard(headers: &mut HeaderMap) {
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // A one-time link's token stands in the fragment, which no referrer carries; this keeps the rest to ourselves too.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers
        .insert("permissions-policy", HeaderValue::from_static("camera=(), microphone=(), geolocation=()"));
}

fn content_type(name: &str, guessed: &str) -> HeaderValue {
    let text = name.rsplit('.').next().is_some_and(|ending| matches!(ending, "html" | "js" | "css"));
    let value = if text { format!("{guessed}; charset=utf-8") } else { guessed.to_owned() };
    HeaderValue::from_str(&value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

fn etag(file: &EmbeddedFile) -> String {
    let mut tag = String::from("\"");
    for byte in &file.metadata.sha256_hash()[..16] {
        // Writing to a String cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

#[cfg(test)]
mod tests;
