//! HTTP/1.1 on one socket, within TLS where the listener has a certificate.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::slots::Place;
use super::stream::Stream;
use super::{TurnedAway, Via, told_to_stop};
use crate::api::tls::Tls;

/// Bytes of a request's head, and of what is read of a body at a time.
const BUFFER: usize = 64 * 1024;
/// How long one that is turned away may take to hear why.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection whose handshake, if it needs one, is done.
enum Greeted {
    Plain(Stream),
    Tls(Box<TlsStream<Stream>>),
    /// It should have begun with a handshake and did not.
    NotTls(Stream),
}

/// What every connection is served with.
pub(super) struct Door<S> {
    pub(super) service: S,
    pub(super) via: Via,
    pub(super) header_timeout: Duration,
    pub(super) tls: Option<Tls>,
    pub(super) shutdown: watch::Receiver<bool>,
}

impl<S, F, B> Door<S>
where
    S: Fn(Request<Incoming>) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Serves the connection to its end.
    pub(super) async fn open(mut self, stream: Stream, place: Place) {
        let header_timeout = self.header_timeout;
        let prepare = move |request: &mut Request<Incoming>| {
            request.extensions_mut().insert(place.clone());
            Some(place.clone())
        };
        match self.greet(stream).await {
            Some(Greeted::Plain(stream)) => self.talk(stream, header_timeout, prepare).await,
            Some(Greeted::Tls(stream)) => self.talk(*stream, header_timeout, prepare).await,
            Some(Greeted::NotTls(stream)) => self.refuse(stream, TurnedAway::NotTls).await,
            None => {}
        }
    }

    /// Gives one refusal to whatever it asks.
    pub(super) async fn turn_away(mut self, stream: Stream, why: TurnedAway) {
        self.header_timeout = FAREWELL;
        match self.greet(stream).await {
            Some(Greeted::Plain(stream)) => self.refuse(stream, why).await,
            Some(Greeted::Tls(stream)) => self.refuse(*stream, why).await,
            Some(Greeted::NotTls(stream)) => self.refuse(stream, TurnedAway::NotTls).await,
            None => {}
        }
    }

    /// None where the handshake came to nothing.
    async fn greet(&mut self, mut stream: Stream) -> Option<Greeted> {
        let Some(tls) = &self.tls else { return Some(Greeted::Plain(stream)) };
        let handshake = async {
            match stream.begins_with_tls().await? {
                true => {
                    let stream = TlsAcceptor::from(tls.config()).accept(stream).await?;
                    Ok::<_, io::Error>(Greeted::Tls(Box::new(stream)))
                }
                false => Ok(Greeted::NotTls(stream)),
            }
        };
        let greeted = tokio::select! {
            greeted = timeout(self.header_timeout, handshake) => greeted,
            () = told_to_stop(&mut self.shutdown) => return None,
        };
        match greeted {
            Ok(Ok(greeted)) => Some(greeted),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_) => {
                tracing::debug!("a TLS handshake took too long");
                None
            }
        }
    }

    async fn refuse<T>(self, stream: T, why: TurnedAway)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let refuse = |request: &mut Request<Incoming>| {
            request.extensions_mut().insert(why);
            None
        };
        let told = self.talk(stream, FAREWELL, refuse);
        if timeout(FAREWELL * 2, told).await.is_err() {
            tracing::debug!("one that was turned away did not wait for the reason");
        }
    }

    async fn talk<T>(
        mut self,
        stream: T,
        header_timeout: Duration,
        prepare: impl Fn(&mut Request<Incoming>) -> Option<Place> + Send + Sync,
    ) where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let via = self.via;
        let service = service_fn(|mut request: Request<Incoming>| {
            request.extensions_mut().insert(via);
            let place = prepare(&mut request);
            if let Some(place) = &place {
                place.in_use();
            }
            let answer = (self.service)(request);
            async move {
                let answer = answer.await;
                if let Some(place) = &place {
                    place.idle();
                }
                answer
            }
        });
        let connection = http1::Builder::new()
            // Without a timer hyper ignores the timeout.
            .timer(TokioTimer::new())
            .header_read_timeout(header_timeout)
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = pin!(connection);
        let outcome = tokio::select! {
            outcome = connection.as_mut() => outcome,
            () = told_to_stop(&mut self.shutdown) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}
