//! Whole-system tests: the real binary, real Redis, real databases, callers in other languages.

mod bad_days;
mod crash;
mod demo;
mod idle_sales;
mod languages;
mod system;
