//! Inrush's calls, as encoded bytes over the load tool's transport.

use std::{cell::RefCell, collections::HashMap, rc::Rc, time::Duration};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use inrush_report::measure::Code;
use inrush_transport::{
    Answer, Body, Caller, ConnectFailure, Endpoint, Error, Head, Link, Request, StreamTimes, Subscription,
    TlsConnector,
};
use prost::Message;

/// Bytes before each message: a flag and the length.
const PREFIX: usize = 5;

/// A call of Inrush, or of an order system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// `QueueService/Enqueue`
    Enqueue,
    /// `QueueService/PollStatus`
    PollStatus,
    /// `QueueService/BatchPollStatus`
    BatchPollStatus,
    /// `QueueService/WatchStatus`
    WatchStatus,
    /// `QueueService/Cancel`
    Cancel,
    /// `SettlementService/ReleaseOrder`
    ReleaseOrder,
    /// `SaleAdminService/CreateSale`
    CreateSale,
    /// `SaleAdminService/GetSale`
    GetSale,
    /// `SaleAdminService/CloseSale`
    CloseSale,
    /// `SaleAdminService/DeleteSale`
    DeleteSale,
    /// `OrderCreationService/CreateOrders`
    CreateOrders,
}

impl Method {
    /// Every method, in the order of their heads.
    const ALL: [Self; 11] = [
        Self::Enqueue,
        Self::PollStatus,
        Self::BatchPollStatus,
        Self::WatchStatus,
        Self::Cancel,
        Self::ReleaseOrder,
        Self::CreateSale,
        Self::GetSale,
        Self::CloseSale,
        Self::DeleteSale,
        Self::CreateOrders,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::Enqueue => "/inrush.v1.QueueService/Enqueue",
            Self::PollStatus => "/inrush.v1.QueueService/PollStatus",
            Self::BatchPollStatus => "/inrush.v1.QueueService/BatchPollStatus",
            Self::WatchStatus => "/inrush.v1.QueueService/WatchStatus",
            Self::Cancel => "/inrush.v1.QueueService/Cancel",
            Self::ReleaseOrder => "/inrush.v1.SettlementService/ReleaseOrder",
            Self::CreateSale => "/inrush.v1.SaleAdminService/CreateSale",
            Self::GetSale => "/inrush.v1.SaleAdminService/GetSale",
            Self::CloseSale => "/inrush.v1.SaleAdminService/CloseSale",
            Self::DeleteSale => "/inrush.v1.SaleAdminService/DeleteSale",
            Self::CreateOrders => "/inrush.v1.OrderCreationService/CreateOrders",
        }
    }
}

/// Connections of one thread to one server, and what its calls have in common.
pub struct Calls {
    links: Vec<Rc<Link>>,
    heads: Vec<Rc<Head>>,
    /// Idle callers by method and link. Their number is the maximum of calls in flight so far.
    free: RefCell<HashMap<(Method, usize), Vec<Caller>>>,
}

impl Calls {
    /// Connects `connections` times. Must be called within a `LocalSet`. No call takes longer than `timeout`, except
    /// `WatchStatus`, which has no limit.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn open(endpoint: &Endpoint, connections: usize, timeout: Duration) -> Result<Rc<Self>, Error> {
        let shared = Rc::new(endpoint.clone());
        let tls = TlsConnector::of(endpoint)?;
        let mut links = Vec::new();
        for number in 0..connections.max(1) {
            let link = Link::open(Rc::clone(&shared), tls.clone(), number).await;
            links.push(link.map_err(|failure| unreachable_server(endpoint, &failure))?);
        }
        let heads = Method::ALL.into_iter().map(|method| {
            let limit = (method != Method::WatchStatus).then_some(timeout);
            Ok(Rc::new(Head::new(endpoint, method.path(), limit)?.keeping_messages()))
        });
        Ok(Rc::new(Self { links, heads: heads.collect::<Result<_, Error>>()?, free: RefCell::default() }))
    }

    /// Makes a call with one request. Connection `connection`, modulo their number, carries it.
    pub async fn call(&self, method: Method, request: &impl Message, connection: u32) -> Answer {
        let place = (method, self.place(connection));
        let free = self.free.borrow_mut().get_mut(&place).and_then(Vec::pop);
        let Some(mut caller) = free.or_else(|| self.caller(method, connection)) else {
            return Answer::failed(Code::Internal, "there is no connection");
        };
        let request = Request { metadata: HeaderMap::new(), body: Body::One(framed(request)) };
        let answer = caller.call(request).await;
        self.free.borrow_mut().entry(place).or_default().push(caller);
        answer.unwrap_or_else(|error| Answer::failed(Code::Internal, error.to_string()))
    }

    /// Makes a call with one request whose answers are read one by one.
    ///
    /// # Errors
    /// How the call ended, if it could not be made.
    pub async fn subscribe(
        &self,
        method: Method,
        request: &impl Message,
        connection: u32,
    ) -> Result<Subscription, Answer> {
        let (Some(link), Some(head)) = (self.link(connection), self.head(method)) else {
            return Err(Answer::failed(Code::Internal, "there is no connection"));
        };
        Subscription::open(&link, &head, framed(request)).await
    }

    fn caller(&self, method: Method, connection: u32) -> Option<Caller> {
        Some(Caller::new(self.link(connection)?, self.head(method)?, StreamTimes::default()))
    }

    fn place(&self, connection: u32) -> usize {
        usize::try_from(connection).unwrap_or_default() % self.links.len().max(1)
    }

    fn link(&self, connection: u32) -> Option<Rc<Link>> {
        self.links.get(self.place(connection)).cloned()
    }

    fn head(&self, method: Method) -> Option<Rc<Head>> {
        let place = Method::ALL.iter().position(|known| *known == method)?;
        self.heads.get(place).cloned()
    }
}

/// The message of an answer.
///
/// # Errors
/// The answer, if it is an error, or holds something else.
pub fn decoded<M: Message + Default>(answer: Answer) -> Result<M, Answer> {
    match answer.code {
        Code::Ok => M::decode(answer.message)
            .map_err(|error| Answer::failed(Code::Internal, format!("cannot decode the answer: {error}"))),
        _ => Err(answer),
    }
}

fn framed(message: &impl Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.put_u8(0);
    // These requests are far shorter than 4 GiB.
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.extend_from_slice(&message.encode_to_vec());
    bytes.freeze()
}

fn unreachable_server(endpoint: &Endpoint, failure: &ConnectFailure) -> Error {
    Error::new(
        format!("{} cannot be reached: {failure}", endpoint.address()),
        "give a front of a running Inrush as host:port; without one, an Inrush is started for the run",
    )
}
