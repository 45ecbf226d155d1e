//! GitHub: events understood, orders read, permissions asked, text made harmless, heals delivered as pull requests or issues.
//!
//! Deciding is apart from doing here too: [`event`], [`spoken`], [`order`], [`allow`], [`clean`], [`names`], [`body`] and [`pace`] are
//! pure; [`client`] speaks HTTP, [`pristine`] git; [`deliver`] and [`talk`] put them together.

pub mod allow;
pub mod api;
pub mod base64;
pub mod body;
pub mod checks;
pub mod clean;
pub mod client;
pub mod deliver;
pub mod download;
pub mod errand;
pub mod event;
pub mod handover;
mod likely;
pub mod logs;
pub mod names;
pub mod order;
pub mod pace;
pub mod places;
pub mod pristine;
pub mod revise;
pub mod shared;
pub mod spoken;
pub mod suggest;
pub mod talk;
