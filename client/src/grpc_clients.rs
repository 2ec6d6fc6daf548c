//! The generated clients over one connection, with the limits on message sizes.

use inrush_proto::v1::{
    queue_service_client::QueueServiceClient, sale_admin_service_client::SaleAdminServiceClient,
    settlement_service_client::SettlementServiceClient,
};
use tonic::transport::Channel;

/// The maximum sizes of messages, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MessageSizes {
    pub(crate) request: usize,
    pub(crate) reply: usize,
}

/// One connection, for one attempt.
#[derive(Debug)]
pub(crate) struct GrpcClients {
    channel: Channel,
    max_reply_bytes: usize,
}

impl GrpcClients {
    pub(crate) fn new(channel: Channel, sizes: MessageSizes) -> Self {
        Self { channel, max_reply_bytes: sizes.reply }
    }

    pub(crate) fn queue(self) -> QueueServiceClient<Channel> {
        QueueServiceClient::new(self.channel).max_decoding_message_size(self.max_reply_bytes)
    }

    pub(crate) fn admin(self) -> SaleAdminServiceClient<Channel> {
        SaleAdminServiceClient::new(self.channel).max_decoding_message_size(self.max_reply_bytes)
    }

    pub(crate) fn settlement(self) -> SettlementServiceClient<Channel> {
        SettlementServiceClient::new(self.channel).max_decoding_message_size(self.max_reply_bytes)
    }
}
