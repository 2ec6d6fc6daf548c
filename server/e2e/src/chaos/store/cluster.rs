//! Three masters with a replica each.

use std::path::Path;

use anyhow::{Context as _, ensure};

use super::{DOWN_AFTER, eventually, node::Node};

const MASTERS: usize = 3;
const NODES: usize = 2 * MASTERS;
const SLOTS: usize = 16_384;

pub(super) async fn start(folder: &Path) -> anyhow::Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for index in 0..NODES {
        let config = [
            ("cluster-enabled", "yes".to_owned()),
            ("cluster-announce-ip", "127.0.0.1".to_owned()),
            ("cluster-node-timeout", DOWN_AFTER.as_millis().to_string()),
            // A replica that was cut off for long may be promoted all the same: that is a fault to survive.
            ("cluster-replica-validity-factor", "0".to_owned()),
        ];
        nodes.push(Node::start(&format!("redis-{}", index + 1), folder, &config).await?);
    }
    join(&nodes).await?;
    Ok(nodes)
}

async fn join(nodes: &[Node]) -> anyhow::Result<()> {
    let (first, bus) = (nodes[0].port().to_string(), nodes[0].bus_port().to_string());
    for (index, node) in nodes.iter().enumerate() {
        node.command::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await?;
        if index > 0 {
            node.command::<()>(&["CLUSTER", "MEET", "127.0.0.1", &first, &bus]).await?;
        }
    }
    let share = SLOTS.div_ceil(MASTERS);
    for (index, node) in nodes.iter().take(MASTERS).enumerate() {
        let (from, to) = (index * share, ((index + 1) * share).min(SLOTS) - 1);
        node.command::<()>(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]).await?;
    }
    for (master, replica) in nodes.iter().zip(&nodes[MASTERS..]) {
        let id: String = master.command(&["CLUSTER", "MYID"]).await?;
        eventually("a replica does not know its master", || async {
            replica.command::<()>(&["CLUSTER", "REPLICATE", &id]).await
        })
        .await?;
    }
    Ok(())
}

/// Waits until every node sees a whole cluster, and each master has a replica with all that it has.
pub(super) async fn wait_until_safe(nodes: &[Node]) -> anyhow::Result<()> {
    eventually("the cluster is not whole", || async {
        let mut masters = 0;
        for node in nodes {
            let info: String = node.command(&["CLUSTER", "INFO"]).await?;
            let known = format!("cluster_known_nodes:{NODES}");
            ensure!(info.contains("cluster_state:ok") && info.contains(&known), "{}: {info}", node.name());
            let seen: String = node.command(&["CLUSTER", "NODES"]).await?;
            ensure!(!seen.contains("fail"), "{} sees {seen}", node.name());
            let replication = node.replication().await?;
            if replication.contains("role:master") {
                masters += 1;
                ensure!(replication.contains("connected_slaves:1"), "{}: {replication}", node.name());
                let replicas: usize = node.command(&["WAIT", "1", "100"]).await?;
                ensure!(replicas == 1, "the replica of {} lags", node.name());
            } else {
                ensure!(replication.contains("master_link_status:up"), "{}: {replication}", node.name());
            }
        }
        ensure!(masters == MASTERS, "{masters} masters");
        Ok(())
    })
    .await
}

/// Whether the node is the master of the slot of a sale, as most nodes see it.
pub(super) async fn is_master_of(node: &Node, sale: &str) -> anyhow::Result<bool> {
    let key = format!("inrush:{{{sale}}}:sale");
    let slot: usize = node.command(&["CLUSTER", "KEYSLOT", &key]).await?;
    let seen: String = node.command(&["CLUSTER", "NODES"]).await?;
    let own = seen.lines().find(|line| line.contains("myself")).context("a node knows itself")?;
    ensure!(own.contains("master"), "a replica");
    Ok(own.split(' ').skip(8).any(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let contains = |from: usize, to: usize| (from..=to).contains(&slot);
        from.parse().ok().zip(to.parse().ok()).is_some_and(|(from, to)| contains(from, to))
    }))
}

/// Has the replica of a master take over, in agreement with it. False if it refuses.
pub(super) async fn fail_over(nodes: &[Node], master: usize) -> anyhow::Result<bool> {
    let id: String = nodes[master].command(&["CLUSTER", "MYID"]).await?;
    for (index, node) in nodes.iter().enumerate() {
        if index == master || !node.is_running() {
            continue;
        }
        let seen: String = node.command(&["CLUSTER", "NODES"]).await?;
        let own = seen.lines().find(|line| line.contains("myself")).unwrap_or_default();
        if own.contains(&id) {
            return Ok(node.command::<String>(&["CLUSTER", "FAILOVER"]).await.is_ok());
        }
    }
    Ok(false)
}
