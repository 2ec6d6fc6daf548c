//! `inrush sale …`: the operator's commands.

mod audit;
mod dead_letters;
mod orders_file;
mod request;
mod text;
mod view;
mod watch;

use futures_util::{StreamExt as _, TryStreamExt as _};
use inrush_client::proto::{Sale, SalePart};

use crate::{
    cli::sale::{Create, Part, SaleArgs, SaleCommand},
    confirm::confirm,
    connection::Connection,
    interrupt::until_interrupted,
    output::Output,
    settings::Settings,
};

use self::view::{Deleted, SaleList};

/// Runs the command and prints the response.
///
/// # Errors
/// If the call fails; the error has two lines, what happened and the remedy.
pub(crate) async fn run(args: SaleArgs, settings: &Settings) -> anyhow::Result<()> {
    let output = Output::new(args.client.json);
    let connection = Connection::open(settings).await?;
    let admin = connection.client().admin();
    let sale = match args.command {
        SaleCommand::Create(create) => create_sale(&connection, &create).await?,
        SaleCommand::Show(show) => connection.answer(admin.get_sale(show.sale_id)).await?,
        SaleCommand::Update(update) => {
            let (sale, fields) = request::update(&update);
            connection.answer(admin.update_sale(sale, fields)).await?
        }
        SaleCommand::Hold(hold) => connection.answer(admin.hold_sale(hold.sale_id, hold.part.into())).await?,
        SaleCommand::Resume(resume) => {
            connection.answer(admin.resume_sale(resume.sale_id, resume.part.into())).await?
        }
        SaleCommand::Close(close) => {
            confirm(close.yes, &format!("Close {} for good? Waiting tickets expire.", close.sale_id))?;
            connection.answer(admin.close_sale(close.sale_id)).await?
        }
        SaleCommand::Delete(delete) => {
            confirm(delete.yes, &format!("Delete {} with all its tickets?", delete.sale_id))?;
            connection.answer(admin.delete_sale(delete.sale_id.as_str())).await?;
            return Ok(output.show(&Deleted { sale_id: delete.sale_id })?);
        }
        SaleCommand::List(list) => return print_list(&connection, &output, list.limit).await,
        SaleCommand::Watch(watch) => return until_interrupted(watch::run(&connection, &output, watch)).await,
        SaleCommand::DeadLetters(list) => return dead_letters::list(&connection, &output, list).await,
        SaleCommand::Redrive(redrive) => return dead_letters::redrive(&connection, &output, redrive).await,
        SaleCommand::Discard(discard) => return dead_letters::discard(&connection, &output, discard).await,
        SaleCommand::Audit(audit) => return audit::run(&connection, &output, settings, audit).await,
    };
    Ok(output.show(&sale)?)
}

async fn create_sale(connection: &Connection, create: &Create) -> anyhow::Result<Sale> {
    let admin = connection.client().admin();
    match admin.create_sale(request::creation(create)).await {
        Err(error) if create.if_absent && matches!(error.reason(), Some("SALE_EXISTS" | "SALE_CLOSED")) => {
            connection.answer(admin.get_sale(create.sale_id.as_str())).await
        }
        answer => answer.map_err(|error| connection.explain(&error)),
    }
}

async fn print_list(connection: &Connection, output: &Output, limit: u32) -> anyhow::Result<()> {
    let limit = usize::try_from(limit)?;
    // One more than the limit, to know whether there are more.
    let sales = connection.client().admin().list_sales().take(limit.saturating_add(1));
    let mut sales: Vec<Sale> = connection.answer(sales.try_collect()).await?;
    let more = sales.len() > limit;
    sales.truncate(limit);
    Ok(output.show(&SaleList { sales, more })?)
}

impl From<Part> for SalePart {
    fn from(part: Part) -> Self {
        match part {
            Part::Admission => Self::Admission,
            Part::Fulfilment => Self::Fulfilment,
        }
    }
}
