//! Answers any method.

use std::{
    convert::Infallible,
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures_util::{Stream, StreamExt as _, stream};
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use tokio::time::sleep;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    codec::CompressionEncoding,
    codegen::Service,
    server::Grpc,
    transport::server::{TcpConnectInfo, TlsConnectInfo},
};

use super::{Log, RecordedCall, codec::DynamicCodec};

/// Number of messages of a response stream.
pub(crate) const ANSWERS: usize = 3;

type Answers = Pin<Box<dyn Stream<Item = Result<DynamicMessage, Status>> + Send>>;

/// All methods of a set of definitions.
#[derive(Clone)]
pub(super) struct Dynamic {
    pub(super) pool: DescriptorPool,
    pub(super) log: Arc<Log>,
}

impl<B> Service<http::Request<B>> for Dynamic
where
    B: tonic::codegen::Body + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    B::Data: Send,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { Ok(this.answer(request).await) })
    }
}

impl Dynamic {
    async fn answer<B>(self, request: http::Request<B>) -> http::Response<Body>
    where
        B: tonic::codegen::Body + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    {
        let Some(method) = self.method(request.uri().path()) else {
            return Status::unimplemented("no such method").into_http();
        };
        let extensions = request.extensions();
        let tls = extensions.get::<TlsConnectInfo<TcpConnectInfo>>().map(TlsConnectInfo::get_ref);
        let recorded = RecordedCall {
            path: request.uri().path().to_owned(),
            authority: request.uri().authority().map(ToString::to_string).unwrap_or_default(),
            headers: request.headers().clone(),
            messages: Vec::new(),
            peer: tls.or_else(|| extensions.get()).and_then(TcpConnectInfo::remote_addr),
        };
        let mut grpc = Grpc::new(DynamicCodec(method.input()))
            .accept_compressed(CompressionEncoding::Gzip)
            .apply_max_message_size_config(Some(usize::MAX), None);
        let call = Call { log: self.log, method: method.clone(), recorded };
        match (method.is_client_streaming(), method.is_server_streaming()) {
            (false, false) => {
                grpc.unary(tower::service_fn(move |request| call.clone().unary(request)), request).await
            }
            (true, false) => {
                grpc.client_streaming(
                    tower::service_fn(move |request| call.clone().collect(request)),
                    request,
                )
                .await
            }
            (false, true) => {
                grpc.server_streaming(
                    tower::service_fn(move |request| call.clone().several(request)),
                    request,
                )
                .await
            }
            (true, true) => {
                grpc.streaming(tower::service_fn(move |request| call.clone().each(request)), request).await
            }
        }
    }

    fn method(&self, path: &str) -> Option<MethodDescriptor> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        self.pool.get_service_by_name(service)?.methods().find(|known| known.name() == method)
    }
}

/// One call.
#[derive(Clone)]
struct Call {
    log: Arc<Log>,
    method: MethodDescriptor,
    recorded: RecordedCall,
}

impl Call {
    async fn unary(mut self, request: Request<DynamicMessage>) -> Result<Response<DynamicMessage>, Status> {
        let name = self.take(&request.into_inner());
        self.log.record(self.recorded.clone());
        self.behave(&name).await?;
        Ok(Response::new(self.greeting(&name)))
    }

    async fn collect(
        mut self,
        request: Request<Streaming<DynamicMessage>>,
    ) -> Result<Response<DynamicMessage>, Status> {
        let mut messages = request.into_inner();
        let mut last = String::new();
        while let Some(message) = messages.next().await {
            last = self.take(&message?);
        }
        self.log.record(self.recorded.clone());
        self.behave(&last).await?;
        Ok(Response::new(self.greeting(&last)))
    }

    async fn several(mut self, request: Request<DynamicMessage>) -> Result<Response<Answers>, Status> {
        let name = self.take(&request.into_inner());
        self.log.record(self.recorded.clone());
        self.behave(&name).await?;
        let greeting = self.greeting(&name);
        if name == "forever" {
            let answers = stream::unfold((), move |()| {
                let greeting = greeting.clone();
                // Without a pause it would use up a core.
                async move {
                    sleep(Duration::from_millis(1)).await;
                    Some((Ok(greeting), ()))
                }
            });
            return Ok(Response::new(Box::pin(answers)));
        }
        Ok(Response::new(Box::pin(stream::repeat(greeting).map(Ok).take(ANSWERS))))
    }

    /// The call is recorded at the end of its requests.
    async fn each(self, request: Request<Streaming<DynamicMessage>>) -> Result<Response<Answers>, Status> {
        let answers = stream::unfold(Some((self, request.into_inner())), |state| async move {
            let (mut call, mut messages) = state?;
            match messages.next().await {
                Some(Ok(message)) => {
                    let name = call.take(&message);
                    Some((Ok(call.greeting(&name)), Some((call, messages))))
                }
                Some(Err(status)) => Some((Err(status), None)),
                None => {
                    call.log.record(call.recorded.clone());
                    None
                }
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    /// Records a message, and returns the name in it.
    fn take(&mut self, message: &DynamicMessage) -> String {
        self.recorded.messages.push(serde_json::to_value(message).unwrap());
        let name = message.get_field_by_name("name");
        name.and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    async fn behave(&self, name: &str) -> Result<(), Status> {
        // Also ends calls that are cancelled.
        struct EndCall<'a>(&'a Log);
        impl Drop for EndCall<'_> {
            fn drop(&mut self) {
                self.0.end_call();
            }
        }
        let _end = EndCall(&self.log);
        self.log.begin_call().await;
        match name {
            "fail" => Err(Status::internal("no greeting for this one")),
            "wait" => pending().await,
            _ => Ok(()),
        }
    }

    fn greeting(&self, name: &str) -> DynamicMessage {
        let mut answer = DynamicMessage::new(self.method.output());
        if self.method.output().get_field_by_name("message").is_some() {
            answer.set_field_by_name("message", Value::String(format!("Hello {name}")));
        }
        answer
    }
}
