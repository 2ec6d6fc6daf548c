//! Causes the faults of a run at their points of its progress, and ends them.

use std::{
    fs,
    io::Write as _,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use inrush_simulation::history::Level;
use tokio::time::sleep;

use super::{
    fault::Fault,
    plan::{Plan, PlannedFault},
    proxy::{Proxy, ReplyFault},
    recorder::Recorder,
    store::{Setup, Store},
    unchanged::Unchanged,
    world::{Kind, World},
};

/// A fault also begins when the sale has not got on for so long: an earlier one may hold it up.
const STALL: Duration = Duration::from_millis(2_500);

/// How long a failover may take before a killed primary is started again without one.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(12);

const TICK: Duration = Duration::from_millis(10);

/// Rights that the user of Redis loses.
const LOST_RIGHTS: [&[&str]; 3] = [&["resetchannels"], &["-eval", "-evalsha"], &["-info"]];

/// By how many milliseconds a clock is set.
const CLOCK_STEPS: [i64; 4] = [-3_600_000, -20_000, 20_000, 3_600_000];

/// A node of a cluster that was an hour ahead takes no failed node back for an hour, whatever Inrush does.
const CLOCK_STEPS_OF_CLUSTER_NODES: [i64; 2] = [-1_000, 1_000];

/// Causes the faults of one run.
pub struct Injector<'a> {
    plan: &'a Plan,
    sale: &'a str,
    world: &'a mut World,
    store: &'a mut Store,
    recorder: &'a Recorder,
    active: Vec<Active>,
    /// What went wrong that no fault explains.
    failures: Vec<String>,
}

/// A fault that has begun.
struct Active {
    ends: Instant,
    end: End,
    fault: usize,
    loss: Option<usize>,
}

/// How a fault ends.
enum End {
    /// By itself; the time to survive it is over.
    ByItself,
    StartService(Kind, usize),
    ResumeService(Kind, usize),
    SetServiceClockRight(Kind, usize),
    StartNode(usize),
    ResumeNode(usize),
    HealTraffic(usize),
    GiveMemory(usize),
    GiveRights(usize),
    SetNodeClockRight(usize),
    /// The power fails, and the server comes back with what was on the disk: so many bytes.
    CutPower(usize, u64),
    TearTail(usize),
    RestartFromSnapshot(usize),
    KillAndStartAfterFailover(usize),
    StartAfterFailover(usize, Instant),
    ResumeAfterFailover(usize, Instant),
}

impl<'a> Injector<'a> {
    /// For one run.
    pub fn new(
        plan: &'a Plan,
        sale: &'a str,
        world: &'a mut World,
        store: &'a mut Store,
        recorder: &'a Recorder,
    ) -> Self {
        Self { plan, sale, world, store, recorder, active: Vec::new(), failures: Vec::new() }
    }

    /// Causes all faults and ends them, puts everything right, and returns what went wrong that no fault explains.
    pub async fn run(mut self) -> anyhow::Result<Vec<String>> {
        let faults = self.plan.faults.clone();
        for planned in faults {
            self.wait_for(planned.after).await?;
            self.begin(planned).await.with_context(|| format!("{:?}", planned.fault))?;
        }
        let started = Instant::now();
        while !self.active.is_empty() && started.elapsed() < FAILOVER_TIMEOUT {
            self.tick().await?;
        }
        self.failures.extend(self.world.heal().await?);
        self.store.heal().await?;
        for active in &self.active {
            self.recorder.fault_ends(active.fault);
        }
        Ok(self.failures)
    }

    /// Waits until so many buyers have tickets, or the sale has stalled.
    async fn wait_for(&mut self, tickets: u64) -> anyhow::Result<()> {
        let mut progress = Unchanged::default();
        while self.recorder.acknowledged() < tickets && progress.see(self.recorder.acknowledged()) < STALL {
            self.tick().await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> anyhow::Result<()> {
        sleep(TICK).await;
        self.failures.extend(self.world.supervise());
        let now = Instant::now();
        let (due, active): (Vec<Active>, Vec<Active>) =
            self.active.drain(..).partition(|active| active.ends <= now);
        self.active = active;
        for due in due {
            self.end(due).await?;
        }
        Ok(())
    }

    async fn begin(&mut self, planned: PlannedFault) -> anyhow::Result<()> {
        let forgets = planned.fault.forgets(self.plan.setup);
        let loss = (!forgets.is_empty()).then(|| self.recorder.loss_begins(forgets, false));
        let what = format!("{} ({} ms)", planned.fault.name(), planned.lasts.as_millis());
        let fault = self.recorder.fault_begins(what, planned.fault.breaks_deliveries());
        let end = self.cause(planned).await?;
        self.active.push(Active { ends: Instant::now() + planned.lasts, end, fault, loss });
        Ok(())
    }

    /// Begins a fault, and returns how it ends. What happens to a server happens to the one that the sale is on; nothing does
    /// if an earlier fault has stopped it.
    async fn cause(&mut self, planned: PlannedFault) -> anyhow::Result<End> {
        let choice = planned.choice as usize;
        let primary = self.store.primary_of(self.sale).await;
        Ok(match (planned.fault, primary) {
            (Fault::KillFront, _) => self.kill_service(Kind::Front, choice),
            (Fault::KillFulfilment, _) => self.kill_service(Kind::Fulfilment, choice),
            (Fault::KillOrders, _) => self.kill_service(Kind::Orders, choice),
            (Fault::StopFront, _) => self.stop_service(Kind::Front, choice),
            (Fault::StopFulfilment, _) => self.stop_service(Kind::Fulfilment, choice),
            (Fault::StopOrders, _) => self.stop_service(Kind::Orders, choice),
            (Fault::RollingRestart, _) => self.restart_services().await,
            (Fault::ClockStep, _) => self.step_clock(choice)?,
            (_, None) => End::ByItself,
            (Fault::ScriptFlush, Some(node)) => self.order(node, &["SCRIPT", "FLUSH"]).await?,
            (Fault::ClientKill, Some(node)) => {
                self.order(node, &["CLIENT", "KILL", "TYPE", "normal"]).await?
            }
            (Fault::CutConnections, Some(node)) => {
                self.store.nodes()[node].proxy().cut();
                End::ByItself
            }
            (Fault::HalfOpen, Some(node)) => self.disturb(node, |proxy| proxy.set_stopped(true)),
            (Fault::Delay, Some(node)) => {
                self.disturb(node, |proxy| proxy.set_delay(Duration::from_millis(5 + choice as u64 % 100)))
            }
            (Fault::DropReply, Some(node)) => {
                self.disturb(node, |proxy| proxy.spoil_next_reply(ReplyFault::Dropped))
            }
            (Fault::TearReply, Some(node)) => {
                self.disturb(node, |proxy| proxy.spoil_next_reply(ReplyFault::Torn))
            }
            (Fault::StopRedis, Some(node)) => {
                self.store.node_mut(node)?.set_suspended(true)?;
                End::ResumeNode(node)
            }
            (Fault::FullMemory, Some(node)) => self.fill_memory(node).await?,
            (Fault::Busy, Some(node)) => self.keep_busy(node, choice).await?,
            (Fault::AclChange, Some(node)) => self.take_rights(node, choice).await?,
            (Fault::KillRedis, Some(node)) => {
                self.store.node_mut(node)?.kill()?;
                End::StartNode(node)
            }
            (Fault::PowerCut, Some(node)) => {
                End::CutPower(node, self.store.nodes()[node].append_only_file().await?.1)
            }
            (Fault::TornTail, Some(node)) => End::TearTail(node),
            (Fault::RestartFromSnapshot, Some(node)) => {
                self.order(node, &["SAVE"]).await?;
                End::RestartFromSnapshot(node)
            }
            (Fault::KillReplica, Some(node)) => self.kill_replica(node, choice)?,
            (Fault::KillPrimary, Some(node)) => {
                self.store.node_mut(node)?.kill()?;
                End::StartAfterFailover(node, Instant::now())
            }
            (Fault::PlannedFailover, Some(_)) => {
                self.store.fail_over(self.sale).await?;
                End::ByItself
            }
            (Fault::LaggedFailover, Some(node)) => {
                self.disturb(node, |proxy| proxy.set_replication_stopped(true));
                End::KillAndStartAfterFailover(node)
            }
            (Fault::StalePrimary, Some(node)) => {
                self.store.node_mut(node)?.set_suspended(true)?;
                End::ResumeAfterFailover(node, Instant::now())
            }
        })
    }

    /// A command after which nothing has to be put right.
    async fn order(&self, node: usize, words: &[&str]) -> anyhow::Result<End> {
        self.store.nodes()[node].command::<redis::Value>(words).await?;
        Ok(End::ByItself)
    }

    fn disturb(&self, node: usize, disturb: impl FnOnce(&Proxy)) -> End {
        disturb(self.store.nodes()[node].proxy());
        End::HealTraffic(node)
    }

    fn kill_service(&mut self, kind: Kind, choice: usize) -> End {
        let services = self.world.of_kind(kind);
        let index = choice % services.len();
        services[index].kill();
        End::StartService(kind, index)
    }

    fn stop_service(&mut self, kind: Kind, choice: usize) -> End {
        let services = self.world.of_kind(kind);
        let index = choice % services.len();
        services[index].set_suspended(true);
        End::ResumeService(kind, index)
    }

    async fn restart_services(&mut self) -> End {
        for kind in [Kind::Front, Kind::Fulfilment] {
            for service in self.world.of_kind(kind) {
                service.restart().await;
            }
        }
        End::ByItself
    }

    /// The clock of a server, a front or a fulfilment.
    fn step_clock(&mut self, choice: usize) -> anyhow::Result<End> {
        let step = CLOCK_STEPS[choice % CLOCK_STEPS.len()];
        let choice = choice / CLOCK_STEPS.len();
        let kind = match choice % 4 {
            0 => Kind::Front,
            1 => Kind::Fulfilment,
            _ => {
                let index = choice / 4 % self.store.nodes().len();
                let step = match self.plan.setup {
                    Setup::Single | Setup::Sentinel => step,
                    Setup::Cluster => {
                        CLOCK_STEPS_OF_CLUSTER_NODES[choice % CLOCK_STEPS_OF_CLUSTER_NODES.len()]
                    }
                };
                self.store.nodes()[index].clock().set(step)?;
                return Ok(End::SetNodeClockRight(index));
            }
        };
        let services = self.world.of_kind(kind);
        let index = choice / 4 % services.len();
        services[index].clock().set(step)?;
        Ok(End::SetServiceClockRight(kind, index))
    }

    async fn fill_memory(&self, node: usize) -> anyhow::Result<End> {
        let info: String = self.store.nodes()[node].command(&["INFO", "memory"]).await?;
        let used = info.lines().find_map(|line| line.trim_end().strip_prefix("used_memory:"));
        let used = used.context("a server reports its memory")?;
        self.order(node, &["CONFIG", "SET", "maxmemory", used]).await?;
        Ok(End::GiveMemory(node))
    }

    async fn keep_busy(&self, node: usize, choice: usize) -> anyhow::Result<End> {
        self.order(node, &["CONFIG", "SET", "busy-reply-threshold", "50"]).await?;
        let micros = 200_000 + (choice % 8) * 100_000;
        let script = format!(
            "#!lua flags=no-writes
            local function now() local time = redis.call('TIME') return time[1] * 1e6 + time[2] end
            local start = now()
            while now() - start < {micros} do end"
        );
        self.order(node, &["EVAL", &script, "0"]).await
    }

    async fn take_rights(&self, node: usize, choice: usize) -> anyhow::Result<End> {
        let mut words = vec!["ACL", "SETUSER", "default"];
        words.extend(LOST_RIGHTS[choice % LOST_RIGHTS.len()]);
        self.order(node, &words).await?;
        Ok(End::GiveRights(node))
    }

    fn kill_replica(&mut self, primary: usize, choice: usize) -> anyhow::Result<End> {
        let nodes = self.store.nodes().len();
        let replica = (primary + 1 + choice % (nodes - 1)) % nodes;
        self.store.node_mut(replica)?.kill()?;
        Ok(End::StartNode(replica))
    }

    /// Ends a fault, unless it waits for something that has not happened yet.
    async fn end(&mut self, mut due: Active) -> anyhow::Result<()> {
        match due.end {
            End::KillAndStartAfterFailover(node) => {
                self.store.node_mut(node)?.kill()?;
                self.store.nodes()[node].proxy().cut();
                self.store.nodes()[node].proxy().heal();
                due.end = End::StartAfterFailover(node, Instant::now());
                self.active.push(due);
                return Ok(());
            }
            End::StartAfterFailover(node, since) | End::ResumeAfterFailover(node, since)
                if since.elapsed() < FAILOVER_TIMEOUT && !self.has_failed_over_from(node).await =>
            {
                self.active.push(due);
                return Ok(());
            }
            _ => self.undo(&due.end).await?,
        }
        self.recorder.fault_ends(due.fault);
        // With replicas an old primary may take writes that are forgotten until everything is put right.
        if let Some(loss) = due.loss
            && self.plan.setup == Setup::Single
        {
            self.recorder.loss_ends(loss);
        }
        Ok(())
    }

    async fn undo(&mut self, end: &End) -> anyhow::Result<()> {
        match *end {
            End::ByItself | End::KillAndStartAfterFailover(_) => Ok(()),
            End::StartService(kind, index) => {
                self.world.of_kind(kind)[index].start();
                Ok(())
            }
            End::ResumeService(kind, index) => {
                self.world.of_kind(kind)[index].set_suspended(false);
                Ok(())
            }
            End::SetServiceClockRight(kind, index) => self.world.of_kind(kind)[index].clock().set(0),
            End::SetNodeClockRight(node) => self.store.nodes()[node].clock().set(0),
            End::StartNode(node) | End::StartAfterFailover(node, _) => self.store.node_mut(node)?.run().await,
            End::ResumeNode(node) | End::ResumeAfterFailover(node, _) => {
                self.store.node_mut(node)?.set_suspended(false)
            }
            End::HealTraffic(node) => {
                self.store.nodes()[node].proxy().heal();
                Ok(())
            }
            // Another fault may have stopped the server: it is put right at the end of all faults.
            End::GiveMemory(node) => {
                let words = ["CONFIG", "SET", "maxmemory", "0"];
                let _ = self.store.nodes()[node].command::<()>(&words).await;
                Ok(())
            }
            End::GiveRights(node) => {
                let words = ["ACL", "SETUSER", "default", "&*", "+@all"];
                let _ = self.store.nodes()[node].command::<()>(&words).await;
                Ok(())
            }
            End::CutPower(node, size) => self.cut_power(node, size).await,
            End::TearTail(node) => self.tear_tail(node).await,
            End::RestartFromSnapshot(node) => self.restart_from_snapshot(node).await,
        }
    }

    async fn has_failed_over_from(&self, node: usize) -> bool {
        self.store.primary_of(self.sale).await.is_some_and(|primary| primary != node)
    }

    /// What a sale at the level FSYNC acknowledges is on the disk: only the command after it may be torn.
    async fn cut_power(&mut self, node: usize, size: u64) -> anyhow::Result<()> {
        if self.plan.level == Level::Fsync {
            return self.tear_tail(node).await;
        }
        let node = self.store.node_mut(node)?;
        node.kill()?;
        let (file, now) = node.append_only_file().await?;
        // A rewrite has begun a new file in between, if it is shorter.
        fs::OpenOptions::new().write(true).open(&file)?.set_len(size.min(now))?;
        node.run().await
    }

    async fn tear_tail(&mut self, node: usize) -> anyhow::Result<()> {
        let node = self.store.node_mut(node)?;
        node.kill()?;
        let (file, _) = node.append_only_file().await?;
        fs::OpenOptions::new().append(true).open(&file)?.write_all(b"*3\r\n$3\r\nSET\r\n$9\r\ninru")?;
        node.run().await
    }

    async fn restart_from_snapshot(&mut self, node: usize) -> anyhow::Result<()> {
        let node = self.store.node_mut(node)?;
        node.kill()?;
        node.remove_append_only_files()?;
        node.run_with(&[("appendonly", "no")]).await?;
        node.command(&["CONFIG", "SET", "appendonly", "yes"]).await
    }
}
