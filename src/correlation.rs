//! The id that everything caused by one request shares: its log line, the answer's `X-Request-Id`, and the metadata of its
//! events.

use std::future::Future;

use tokio::task::JoinHandle;
use uuid::Uuid;

tokio::task_local! {
    static CURRENT: Uuid;
}

/// Does the work of the request `id`.
pub async fn within<F: Future>(id: Uuid, work: F) -> F::Output {
    CURRENT.scope(id, work).await
}

/// The request that is being worked for, if this is for one.
pub fn current() -> Option<Uuid> {
    CURRENT.try_with(|id| *id).ok()
}

/// Does work of the present request that goes on when whoever asked has gone.
pub fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    match current() {
        Some(id) => tokio::spawn(within(id, work)),
        None => tokio::spawn(work),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_id_reaches_what_is_done_for_the_request_and_nothing_else() {
        let id = Uuid::from_u128(7);
        assert_eq!(within(id, async { current() }).await, Some(id));
        assert_eq!(current(), None);
        let spawned = within(id, async { spawn(async { current() }).await });
        assert_eq!(spawned.await.expect("done"), Some(id));
    }
}
