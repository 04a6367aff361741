//! Tests of several parts together: the started app on port 0 over its public interfaces, and parts over real sockets. One
//! binary, a module for each area.

mod agent;
mod agent_camera;
mod agent_tls;
mod api_access;
mod api_accounts;
mod api_bookings;
mod api_connections;
mod api_guests;
mod api_http;
mod api_idempotency;
mod api_interventions;
mod api_lag;
mod api_observed;
mod api_openapi;
mod api_robots;
mod api_rules;
mod api_tls;
mod api_webrtc;
mod clock_step;
mod command_line;
mod crash;
mod full_disk;
mod hostile;
mod limits;
mod outage;
#[path = "../support/mod.rs"]
mod outside;
mod relay;
mod signaling;
mod support;
mod tcp_paths;
