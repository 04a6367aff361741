//! Administration of a data folder: through the server that runs on it, or, when none does, by the same routes inside this
//! process. Either way the one writer writes, and the same rules hold.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::WrongUse;
use super::http::Reply;
use crate::api::listener::Via;
use crate::app::{self, Core};
use crate::clock::SystemClock;
use crate::config::{Config, Flags};
use crate::store::Log;

const REPLY_MAX: usize = 8 * 1024 * 1024;
const REPLY_WITHIN: Duration = Duration::from_secs(60);

/// Which data folder a command is about.
#[derive(Debug, clap::Args)]
pub(super) struct DataArgs {
    /// The folder of the embedded database
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,

    /// The server's configuration file, which names the folder too
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// A data folder that takes requests, as whoever owns it.
pub(super) enum DataFolder {
    /// A server runs; its socket.
    Served(PathBuf),
    /// None runs: everything of it but the transports, here.
    Opened(Box<Core>),
}

impl DataFolder {
    /// Opens the folder for one job and closes it after, however that went.
    pub(super) async fn run(
        args: &DataArgs,
        job: impl AsyncFnOnce(&Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        let folder = Self::open(args).await?;
        let outcome = job(&folder).await;
        folder.close().await;
        outcome.map(|()| ExitCode::SUCCESS)
    }

    async fn open(args: &DataArgs) -> anyhow::Result<Self> {
        let flags = Flags { data: args.data.clone(), ..Flags::default() };
        let mut config = Config::load(args.config.as_deref(), &flags)?;
        let socket = app::socket_of(&config.data);
        if UnixStream::connect(&socket).await.is_ok() {
            return Ok(Self::Served(socket));
        }
        require_log(&config.data)?;
        // Nobody can connect for media to a server without transports; any port will do.
        config.media.listen = ([127, 0, 0, 1], 0).into();
        let base_url = config.base_url(config.listen);
        Ok(Self::Opened(Box::new(Core::start(&config, SystemClock::shared(), base_url).await?)))
    }

    pub(super) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.request(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.request(Method::POST, path, Some(body)).await
    }

    /// All items of a list.
    pub(super) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.get(&format!("{path}?limit=1000{after}")).await?;
            items.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return Ok(items),
            }
        }
    }

    /// The reply's body; a refusal, in the server's words, as the error.
    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body)))?;
        let answered = async {
            match self {
                Self::Served(socket) => reply(over_socket(socket, request).await?).await,
                Self::Opened(core) => {
                    let mut request = request;
                    request.extensions_mut().insert(Via::DataFolder);
                    let Ok(response) = core.service.call(request).await;
                    reply(response).await
                }
            }
        };
        tokio::time::timeout(REPLY_WITHIN, answered).await.context("the server does not reply")??.success()
    }

    /// Lets go of the folder.
    async fn close(self) {
        if let Self::Opened(core) = self {
            core.shutdown().await;
        }
    }
}

/// A misspelt folder should not become a new, empty one.
fn require_log(folder: &Path) -> anyhow::Result<()> {
    match Log::exists(folder) {
        true => Ok(()),
        false => {
            let text = format!("{} is no data folder: `curfew serve` makes one", folder.display());
            Err(WrongUse(text).into())
        }
    }
}

async fn over_socket(
    socket: &Path,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<Response<hyper::body::Incoming>> {
    let stream = UnixStream::connect(socket).await.context("the server has gone")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the connection to the server ended early");
        }
    });
    Ok(sender.send_request(request).await?)
}

async fn reply<B>(response: Response<B>) -> anyhow::Result<Reply>
where
    B: hyper::body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let status = response.status();
    let body = Limited::new(response.into_body(), REPLY_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the reply broke off: {error}"))?.to_bytes();
    Ok(Reply { status, body: serde_json::from_slice(&body).unwrap_or_default() })
}
