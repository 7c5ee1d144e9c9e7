//! Fetches that wait for messages.
//!
//! The broker's own fetch reads, and then sleeps for as long as the client would wait at most, whether it has read
//! anything or not: each message is late by that time, and each fetch of a reader that has read all costs the storage some
//! questions. Here a fetch is put to it with no time to wait. One that finds nothing waits until something is produced,
//! and as long as nothing was, the same fetch gets the same answer without the storage being asked again.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{FutureExt, select_all};
use parking_lot::Mutex;
use rama::{Context, Service};
use tansu_broker::Error;
use tansu_sans_io::{ApiKey as _, Body, FetchRequest, FetchResponse, Frame, Header, ProduceRequest};
use tansu_service::FrameRouteService;
use tansu_storage::{Storage, StorageContainer, TopicId, Topition};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::produced::Produced;

/// A reader that was given little gets no more for so long: what comes meanwhile comes at once, since a fetch costs the
/// storage the same for one message as for a hundred.
const GATHERED: Duration = Duration::from_millis(50);
/// With so many messages a reader is behind, and gets the next ones at once.
const MANY: u64 = 500;

/// Answers the requests of a connection.
#[derive(Debug)]
pub struct Fetches {
    route: FrameRouteService<(), Error>,
    storage: StorageContainer,
    produced: Arc<Produced>,
    /// Between two requests: a connection has one at a time.
    reader: Mutex<Reader>,
}

/// What is known of the client from its last fetch.
#[derive(Debug, Default)]
struct Reader {
    /// Until when it gets no more.
    sated: Option<Instant>,
    /// The fetch that found nothing.
    nothing: Option<Nothing>,
}

/// A fetch that found nothing, its answer, and news of the partitions since it was put.
#[derive(Debug)]
struct Nothing {
    request: FetchRequest,
    answer: FetchResponse,
    news: News,
}

/// News of the partitions of a fetch.
#[derive(Debug)]
struct News(Vec<watch::Receiver<()>>);

impl Fetches {
    pub const fn new(route: FrameRouteService<(), Error>, storage: StorageContainer, produced: Arc<Produced>) -> Self {
        Self { route, storage, produced, reader: parking_lot::const_mutex(Reader { sated: None, nothing: None }) }
    }

    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, Error> {
        let until = Instant::now() + Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or_default());
        let request = request.max_wait_ms(0);
        let Reader { sated, nothing } = std::mem::take(&mut *self.reader.lock());
        let mut nothing = match nothing.filter(|nothing| nothing.request == request) {
            Some(nothing) => nothing,
            None => {
                if let Some(sated) = sated {
                    sleep_until(sated.min(until)).await;
                }
                let news = self.news_of(&request).await?;
                let answer = self.ask(request.clone()).await?;
                Nothing { request, answer, news }
            }
        };
        while !has_something(&nothing.answer) && nothing.news.come(until).await {
            nothing.answer = self.ask(nothing.request.clone()).await?;
        }
        let mut reader = self.reader.lock();
        match messages(&nothing.answer) {
            0 if has_something(&nothing.answer) => Ok(nothing.answer),
            0 => Ok(reader.nothing.insert(nothing).answer.clone()),
            count => {
                reader.sated = (count < MANY).then(|| Instant::now() + GATHERED);
                Ok(nothing.answer)
            }
        }
    }

    /// Puts a fetch to the broker.
    async fn ask(&self, request: FetchRequest) -> Result<FetchResponse, Error> {
        let header = Header::Request { api_key: FetchRequest::KEY, api_version: 0, correlation_id: 0, client_id: None };
        let frame = Frame { size: 0, header, body: request.into() };
        let answer = self.route.serve(Context::default(), frame).await?;
        FetchResponse::try_from(answer.body).map_err(Error::from)
    }

    async fn news_of(&self, request: &FetchRequest) -> Result<News, Error> {
        let mut news = Vec::new();
        for topic in request.topics.iter().flatten() {
            let name = match &topic.topic {
                Some(name) => name.clone(),
                None => self.name_of(TopicId::from(topic)).await?,
            };
            let partitions = topic.partitions.iter().flatten();
            news.extend(partitions.map(|of| self.produced.subscribe(Topition::new(name.clone(), of.partition))));
        }
        Ok(News(news))
    }

    /// The name of a topic; none for one that does not exist, to which nothing is produced.
    async fn name_of(&self, topic: TopicId) -> Result<String, Error> {
        let metadata = self.storage.metadata(Some(&[topic])).await?;
        Ok(metadata.topics().iter().find_map(|topic| topic.name.clone()).unwrap_or_default())
    }
}

impl Service<(), Frame> for Fetches {
    type Response = Frame;
    type Error = Error;

    async fn serve(&self, context: Context<()>, request: Frame) -> Result<Frame, Error> {
        let correlation_id = request.correlation_id()?;
        match request.body {
            Body::FetchRequest(fetch) => {
                let body = self.fetch(fetch).await?.into();
                Ok(Frame { size: 0, header: Header::Response { correlation_id }, body })
            }
            Body::ProduceRequest(ref produce) => {
                let partitions = partitions_of(produce);
                let answer = self.route.serve(context, request).await;
                // Even after a failure: a part of it may be stored.
                partitions.iter().for_each(|partition| self.produced.tell(partition));
                answer
            }
            Body::DeleteTopicsRequest(_) | Body::DeleteRecordsRequest(_) => {
                let answer = self.route.serve(context, request).await;
                self.produced.tell_all();
                answer
            }
            _ => self.route.serve(context, request).await,
        }
    }
}

impl News {
    /// Waits for any, and says whether there is some by then.
    async fn come(&mut self, until: Instant) -> bool {
        if self.0.is_empty() {
            sleep_until(until).await;
            return false;
        }
        let any = select_all(self.0.iter_mut().map(|news| news.changed().boxed()));
        let has_come = timeout_at(until, any).await.is_ok();
        // What is asked for now has all that was told so far.
        self.0.iter_mut().for_each(watch::Receiver::mark_unchanged);
        has_come
    }
}

fn partitions_of(produce: &ProduceRequest) -> Vec<Topition> {
    let topics = produce.topic_data.iter().flatten();
    topics
        .flat_map(|topic| {
            let partitions = topic.partition_data.iter().flatten();
            partitions.map(|partition| Topition::new(topic.name.clone(), partition.index))
        })
        .collect()
}

fn messages(answer: &FetchResponse) -> u64 {
    let topics = answer.responses.iter().flatten();
    let partitions = topics.flat_map(|topic| topic.partitions.iter().flatten());
    let batches = partitions.flat_map(|partition| partition.records.iter().flat_map(|records| &records.batches));
    batches.map(|batch| u64::from(batch.record_count)).sum()
}

/// Whether it has messages, or an error that the client has to know at once.
fn has_something(answer: &FetchResponse) -> bool {
    let topics = answer.responses.iter().flatten();
    let mut partitions = topics.flat_map(|topic| topic.partitions.iter().flatten());
    messages(answer) > 0 || partitions.any(|partition| partition.error_code != 0)
}
