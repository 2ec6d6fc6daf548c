use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::*;

/// Replies with ten times the request, once the test lets it; a request of zero panics, one of a thousand fails, and after a
/// run of 7 every 7 has a cached reply.
struct Tenfold {
    go: Arc<Semaphore>,
    batches: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Operation for Tenfold {
    type Request = u64;
    type Reply = u64;

    fn cached_reply(&self, _sale: &SaleId, request: &u64) -> Option<u64> {
        let runs = self.batches.lock();
        (*request == 7 && runs.iter().flatten().any(|run| *run == 7)).then_some(70)
    }

    async fn run(&self, sale: &SaleId, requests: &[u64]) -> Result<Vec<u64>, StoreError> {
        self.batches.lock().push(requests.to_vec());
        self.go.acquire().await.unwrap().forget();
        assert!(!requests.contains(&0), "zero");
        if requests.contains(&1000) {
            return Err(StoreError::SaleNotFound(sale.clone()));
        }
        Ok(requests.iter().map(|request| request * 10).collect())
    }
}

struct Bench {
    batcher: Batcher<Tenfold>,
    go: Arc<Semaphore>,
    batches: Arc<Mutex<Vec<Vec<u64>>>>,
}

impl Bench {
    fn new(max_batch: usize) -> Self {
        let (go, batches) = (Arc::new(Semaphore::new(0)), Arc::default());
        let operation = Tenfold { go: Arc::clone(&go), batches: Arc::clone(&batches) };
        Self {
            batcher: Batcher::new(
                operation,
                BatchLimits { max_batch, max_queue_wait: Duration::from_secs(3600) },
                Arc::default(),
            ),
            go,
            batches,
        }
    }

    fn call(&self, request: u64) -> tokio::task::JoinHandle<Result<u64, CallError>> {
        self.call_until(request, Instant::now() + Duration::from_secs(60))
    }

    fn call_until(&self, request: u64, deadline: Instant) -> tokio::task::JoinHandle<Result<u64, CallError>> {
        let batcher = self.batcher.clone();
        tokio::spawn(async move { batcher.call(&sale(), request, deadline, None).await })
    }

    /// Runs all tasks until they wait: the runtime has one thread, and no task waits for anything outside it.
    async fn settle(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    fn batches(&self) -> Vec<Vec<u64>> {
        self.batches.lock().clone()
    }
}

fn sale() -> SaleId {
    "phone-x".parse().unwrap()
}

#[tokio::test]
async fn the_first_call_runs_immediately_and_later_ones_form_the_next_batch_in_order() {
    let bench = Bench::new(4);
    let first = bench.call(1);
    bench.settle().await;
    assert_eq!(bench.batches(), [vec![1]]);
    let others: Vec<_> = (2..=8).map(|request| bench.call(request)).collect();
    bench.settle().await;
    bench.go.add_permits(3);
    assert_eq!(first.await.unwrap(), Ok(10));
    let replies = join_all(others).await.into_iter().map(|reply| reply.unwrap().unwrap());
    assert_eq!(replies.collect::<Vec<_>>(), [20, 30, 40, 50, 60, 70, 80]);
    assert_eq!(bench.batches(), [vec![1], vec![2, 3, 4, 5], vec![6, 7, 8]]);
}

#[tokio::test]
async fn an_idle_sale_has_no_queue_and_no_task() {
    let bench = Bench::new(4);
    bench.go.add_permits(1);
    bench.call(1).await.unwrap().unwrap();
    bench.settle().await;
    assert!(bench.batcher.shared.queues().is_empty());
    assert_eq!(Arc::strong_count(&bench.batcher.shared), 1, "no task is left");
}

#[tokio::test]
async fn cancelled_and_expired_calls_are_not_in_the_batch() {
    let bench = Bench::new(4);
    let first = bench.call(1);
    bench.settle().await;
    let cancelled = bench.call(2);
    let late = bench.call_until(3, Instant::now());
    let stays = bench.call(4);
    bench.settle().await;
    cancelled.abort();
    bench.go.add_permits(2);
    assert_eq!(first.await.unwrap(), Ok(10));
    assert_eq!(late.await.unwrap(), Err(CallError::DeadlineExceeded));
    assert_eq!(stays.await.unwrap(), Ok(40));
    assert_eq!(bench.batches(), [vec![1], vec![4]]);
}

#[tokio::test]
async fn calls_with_a_cached_reply_are_not_in_the_batch() {
    let bench = Bench::new(2);
    let calls: Vec<_> = [7, 7, 8, 7, 7, 9].map(|request| bench.call(request)).into();
    bench.settle().await;
    bench.go.add_permits(2);
    let replies = join_all(calls).await.into_iter().map(|reply| reply.unwrap().unwrap());
    assert_eq!(replies.collect::<Vec<_>>(), [70, 70, 80, 70, 70, 90]);
    assert_eq!(bench.batches(), [vec![7, 7], vec![8, 9]]);
}

#[tokio::test]
async fn a_failed_batch_fails_its_calls_and_no_others() {
    for (poison, failure) in [(0, CallError::Internal), (1000, CallError::SaleNotFound(sale()))] {
        let bench = Bench::new(2);
        let first = bench.call(1);
        bench.settle().await;
        let doomed = [bench.call(poison), bench.call(2)];
        let spared = bench.call(3);
        bench.settle().await;
        bench.go.add_permits(3);
        assert_eq!(first.await.unwrap(), Ok(10));
        for call in doomed {
            assert_eq!(call.await.unwrap(), Err(failure.clone()));
        }
        assert_eq!(spared.await.unwrap(), Ok(30));
    }
}

#[tokio::test]
async fn a_full_queue_refuses_calls() {
    let bench = Bench::new(1);
    let _first = bench.call(1);
    bench.settle().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let sale = sale();
    let mut waiting: Vec<_> = Vec::with_capacity(MAX_QUEUE_LENGTH);
    for _ in 0..MAX_QUEUE_LENGTH {
        let mut call = Box::pin(bench.batcher.call(&sale, 2, deadline, None));
        assert!(futures_util::poll!(&mut call).is_pending());
        waiting.push(call);
    }
    assert_eq!(bench.batcher.call(&sale, 3, deadline, None).await, Err(CallError::Overloaded));
}

#[tokio::test]
async fn sales_are_batched_independently() {
    let bench = Bench::new(4);
    let blocked = bench.call(1);
    bench.settle().await;
    let other: SaleId = "tablet-y".parse().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let batcher = bench.batcher.clone();
    let free = tokio::spawn(async move { batcher.call(&other, 5, deadline, None).await });
    bench.settle().await;
    assert_eq!(bench.batches(), [vec![1], vec![5]], "both run at the same time");
    bench.go.add_permits(2);
    assert_eq!((blocked.await.unwrap(), free.await.unwrap()), (Ok(10), Ok(50)));
}
