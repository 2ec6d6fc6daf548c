//! The versions of the schema, in order. They are listed here instead of found by `sqlx::migrate!`, whose macro would
//! build sqlx and SQLite a second time for the compiler.

use std::sync::LazyLock;

use sqlx::{
    SqlSafeStr as _,
    migrate::{Migration, MigrationType, Migrator},
};

/// For SQLite.
pub(super) static SQLITE: LazyLock<Migrator> = LazyLock::new(|| {
    migrator(&[
        ("orders", include_str!("../../migrations/sqlite/0001_orders.sql")),
        ("sale_creations", include_str!("../../migrations/sqlite/0002_sale_creations.sql")),
        ("one_order_per_buyer", include_str!("../../migrations/sqlite/0003_one_order_per_buyer.sql")),
        ("orders_of_a_sale", include_str!("../../migrations/sqlite/0004_orders_of_a_sale.sql")),
    ])
});

/// For PostgreSQL.
pub(super) static POSTGRES: LazyLock<Migrator> = LazyLock::new(|| {
    migrator(&[
        ("orders", include_str!("../../migrations/postgres/0001_orders.sql")),
        ("sale_creations", include_str!("../../migrations/postgres/0002_sale_creations.sql")),
        ("one_order_per_buyer", include_str!("../../migrations/postgres/0003_one_order_per_buyer.sql")),
        ("orders_of_a_sale", include_str!("../../migrations/postgres/0004_orders_of_a_sale.sql")),
    ])
});

/// Numbers the migrations from 1. Their order and texts must not change: databases store both.
fn migrator(migrations: &[(&'static str, &'static str)]) -> Migrator {
    let versions = migrations.iter().zip(1..).map(|(&(description, sql), version)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(versions.collect())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_migration_file_is_listed() {
        for (folder, migrator) in [("sqlite", &SQLITE), ("postgres", &POSTGRES)] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let mut files: Vec<String> = fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let listed: Vec<String> =
                migrator.iter().map(|it| format!("{:04}_{}.sql", it.version, it.description)).collect();
            assert_eq!(listed, files);
        }
    }
}
