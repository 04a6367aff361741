//! A whole lab on a log in a temporary folder, with a clock that moves only when told to.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use curfew_domain::{
    AccountId, Actor, BookingId, CredentialId, Fact, LabRules, MediaMode, Metadata, Recorded, RobotChoice,
    RobotId, Role, Window,
};
use curfew_projections::Status;
use sqlx::{Connection as _, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::actors::account::{AccountSide, LabSide, TheLab};
use crate::actors::booking::BookingSide;
use crate::actors::deadlines::Now;
use crate::actors::robot::RobotSide;
use crate::actors::room::RoomSide;
use crate::actors::{
    ActorsConfig, Answer, Booked, ConnectionId, Joined, Lab, LabParts, NewBooking, NewRobot, Outbox,
    Principal, RoomHint, dispatch,
};
use crate::clock::{BootInstant, ManualClock, SharedClock};
use crate::media::{Media, MediaConfig};
use crate::protocol::ServerMessage;
use crate::store::{Log, Projector};

/// Nothing that is waited for here takes longer, on however slow a machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct World {
    pub(super) dir: TempDir,
    pub(super) clock: Arc<ManualClock>,
    pub(super) lab: Lab,
    pub(super) log: Log,
    pub(super) projector: Projector,
    media: Media,
    pub(super) admin: Principal,
}

/// A signaling connection.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) outbox: Outbox,
    pub(super) inbox: mpsc::Receiver<ServerMessage>,
}

impl Connection {
    pub(super) fn new() -> Self {
        let (outbox, inbox) = mpsc::channel(64);
        Self { id: ConnectionId::from(Uuid::now_v7()), outbox, inbox }
    }

    /// As a transport does: keeps no sender of its own.
    pub(super) fn hand_over(&mut self) -> Outbox {
        let (dead, _) = mpsc::channel(1);
        std::mem::replace(&mut self.outbox, dead)
    }

    /// The next message that `is_it`; others before it are dropped.
    pub(super) async fn next<T>(&mut self, is_it: impl Fn(&ServerMessage) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let message = self.inbox.recv().await.expect("the connection is still used");
                if let Some(found) = is_it(&message) {
                    return found;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the message came")
    }

    pub(super) fn has_message(&mut self, is_it: impl Fn(&ServerMessage) -> bool) -> bool {
        std::iter::from_fn(|| self.inbox.try_recv().ok()).any(|message| is_it(&message))
    }
}

pub(super) fn start_of_day() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("in range")
}

impl World {
    /// Its lab answers when it has decided, however slow the machine is.
    pub(super) async fn new() -> Self {
        Self::with_patience(PATIENCE).await
    }

    /// Its lab answers after a while, decided or not, as it does by default.
    pub(super) async fn impatient() -> Self {
        Self::with_patience(ActorsConfig::default().patience).await
    }

    async fn with_patience(patience: Duration) -> Self {
        let clock = ManualClock::new(start_of_day(), BootInstant::from_nanos(1_000_000_000));
        Self::open(tempfile::tempdir().expect("a folder"), clock, patience, None).await
    }

    async fn open(
        dir: TempDir,
        clock: Arc<ManualClock>,
        patience: Duration,
        admin: Option<Principal>,
    ) -> Self {
        let shared: SharedClock = clock.clone();
        let log = Log::open(dir.path(), Arc::clone(&shared)).await.expect("the log opens");
        let projector = Projector::start(log.clone()).await.expect("the projector starts");
        let config = MediaConfig { listen: ([127, 0, 0, 1], 0).into(), ..MediaConfig::default() };
        let (media, media_events) = Media::start(config, Arc::clone(&shared)).expect("media starts");
        let parts = LabParts {
            log: log.clone(),
            projector: projector.clone(),
            media: media.clone(),
            media_events,
            clock: shared,
            config: ActorsConfig { patience, ..ActorsConfig::default() },
        };
        let lab = Lab::start(parts).await.expect("the lab starts");
        lab.recover().await.expect("the lab recovers");
        let admin = match admin {
            Some(admin) => admin,
            None => {
                lab.set_initial_rules(LabRules::demo()).await.expect("the demo's rules");
                let id = lab.register_account(None, Role::Admin).await.expect("an admin");
                Principal::Account { id, role: Role::Admin }
            }
        };
        Self { dir, clock, lab, log, projector, media, admin }
    }

    /// The process dies; `down` later another one starts on the same folder.
    pub(super) async fn crash(self, down: Duration) -> Self {
        let (dir, clock, patience, admin) = self.die(down).await;
        Self::open(dir, clock, patience, Some(admin)).await
    }

    /// The process dies right after the log took `events` of a stream, with its workflows' checkpoint past them, as when whoever
    /// was recording what follows died with it.
    pub(super) async fn crash_after<A: cqrs_es::Aggregate>(
        self,
        id: impl ToString,
        events: Vec<A::Event>,
        down: Duration,
    ) -> Self {
        let (dir, clock, patience, admin) = self.die(Duration::ZERO).await;
        let log = Log::open(dir.path(), clock.clone()).await.expect("the log opens");
        let sequence = log.load::<A>(&id.to_string()).await.expect("the stream").sequence;
        let metadata = Metadata::new(Actor::System, Uuid::now_v7());
        let last = log.append::<A>(&id.to_string(), sequence, events, &metadata).await.expect("appended");
        log.set_checkpoint("workflows", last.position).await.expect("stored");
        log.close().await;
        clock.advance(down);
        Self::open(dir, clock, patience, Some(admin)).await
    }

    /// As [`Self::crash`], and the file with the read models is gone.
    pub(super) async fn crash_without_read_models(self, down: Duration) -> Self {
        let (dir, clock, patience, admin) = self.die(down).await;
        std::fs::remove_file(dir.path().join("projections.db")).expect("it was there");
        Self::open(dir, clock, patience, Some(admin)).await
    }

    async fn die(self, down: Duration) -> (TempDir, Arc<ManualClock>, Duration, Principal) {
        self.lab.shell.stop.send_replace(true);
        self.lab.shell.system.stop();
        self.media.shutdown().await;
        self.projector.close().await;
        self.log.close().await;
        self.clock.advance(down);
        let patience = self.lab.shell.config.patience;
        (self.dir, self.clock, patience, self.admin)
    }

    pub(super) async fn robot(&self, slug: &str) -> RobotId {
        self.lab.register_robot(&self.admin, rover(slug)).await.expect("a robot")
    }

    /// Gives the robot a credential and connects it.
    pub(super) async fn connect(&self, robot: RobotId) -> (Principal, Connection) {
        let credential = CredentialId::from(Uuid::now_v7());
        let hash = "ab".repeat(32);
        self.lab.issue_credential(&self.admin, robot, credential, hash.clone()).await.expect("a credential");
        let principal = self.lab.authenticate_robot(robot, credential, &hash).await.expect("its own token");
        let mut connection = Connection::new();
        let outbox = connection.hand_over();
        self.lab.robot_connected(&principal, connection.id, outbox).await.expect("connected");
        (principal, connection)
    }

    pub(super) async fn viewer(&self) -> Principal {
        let id = self.lab.register_account(None, Role::Viewer).await.expect("an account");
        Principal::Account { id, role: Role::Viewer }
    }

    pub(super) async fn book(&self, who: &Principal, robot: RobotId, from: i64, to: i64) -> Answer<Booked> {
        let window = Window { starts_at: minute(from), ends_at: minute(to) };
        self.lab.book(who, NewBooking { robot: RobotChoice::Id(robot), window }).await
    }

    pub(super) async fn join(&self, who: &Principal, booking: BookingId) -> (Answer<Joined>, Connection) {
        let connection = Connection::new();
        let hint = RoomHint(booking.to_string());
        let joined = self.lab.join(who, &hint, connection.id, connection.outbox.clone()).await;
        (joined, connection)
    }

    /// Moves both clocks on. What falls due by that is under way when this returns, and rooms that end by it are cut.
    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.carry_out_due();
    }

    /// Sets the wall clock alone, as an operator does; what falls due by that is under way when this returns.
    pub(super) fn step_wall(&self, to: DateTime<Utc>) {
        self.clock.step_wall(to);
        self.carry_out_due();
    }

    fn carry_out_due(&self) {
        let shell = &self.lab.shell;
        dispatch::fire(shell, shell.deadlines.fire_due(Now::of(&shell.clock)));
    }

    pub(super) async fn facts(&self) -> Vec<Fact> {
        self.recorded().await.into_iter().map(|recorded| recorded.fact).collect()
    }

    async fn recorded(&self) -> Vec<Recorded> {
        self.log.read_after(0, 10_000).await.expect("the log is read")
    }

    /// Returns when the actor of a fact has done what follows from it at once: a fact is in the log before its actor hears so.
    async fn carried_out(&self, fact: &Recorded) {
        let (shell, id) = (&self.lab.shell, fact.aggregate_id.as_str());
        // An actor that is gone with its world does nothing any more.
        match &fact.fact {
            Fact::Robot(_) => drop(shell.state::<RobotSide>(id.parse().expect("an id")).await),
            Fact::Booking(_) => drop(shell.state::<BookingSide>(id.parse().expect("an id")).await),
            Fact::Room(_) => drop(shell.state::<RoomSide>(id.parse().expect("an id")).await),
            Fact::Account(_) => drop(shell.state::<AccountSide>(id.parse().expect("an id")).await),
            Fact::Lab(_) => drop(shell.state::<LabSide>(TheLab).await),
        }
    }

    /// Waits until the log holds a fact that `is_it`, and its actor has done what follows from it at once.
    pub(super) async fn until<T>(&self, is_it: impl Fn(&Fact) -> Option<T>) -> T {
        let mut head = self.log.head();
        let waiting = async {
            loop {
                head.borrow_and_update();
                for recorded in self.recorded().await {
                    if let Some(found) = is_it(&recorded.fact) {
                        self.carried_out(&recorded).await;
                        return found;
                    }
                }
                head.changed().await.expect("the log is open");
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the fact was recorded")
    }

    /// Waits until the read models say that the booking has this status, and its actor has done what follows from it at once.
    pub(super) async fn until_status(&self, id: BookingId, status: Status) {
        let mut progress = self.projector.progress();
        let waiting = async {
            loop {
                progress.borrow_and_update();
                let row = self.projector.reads().booking(id).await.expect("the tables are read");
                if row.is_some_and(|row| row.status == status) {
                    drop(self.lab.shell.state::<BookingSide>(id).await);
                    return;
                }
                progress.changed().await.expect("the projector runs");
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the booking came to this");
    }
}

/// Waits for what nothing announces.
pub(super) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect(what);
}

pub(super) fn rover(slug: &str) -> NewRobot {
    NewRobot {
        slug: slug.into(),
        name: slug.into(),
        robot_type: "rover".into(),
        cameras: vec!["front".into()],
        media: MediaMode::Relay,
    }
}

pub(super) fn minute(minute: i64) -> DateTime<Utc> {
    start_of_day() + TimeDelta::minutes(minute)
}

pub(super) fn account(who: &Principal) -> AccountId {
    match who {
        Principal::Account { id, .. } => *id,
        Principal::Robot { .. } | Principal::System => panic!("no person"),
    }
}

/// A database's write lock: without the log's nothing can be recorded, without the projections' nothing shows.
pub(super) struct Stalled(SqliteConnection);

pub(super) async fn stall(world: &World, file: &str) -> Stalled {
    let path = world.dir.path().join(file);
    let mut lock = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("opens");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut lock).await.expect("locked");
    Stalled(lock)
}

/// Keeps events of one kind out of the log, as a disk does that fails just then.
pub(super) struct KeptOut(SqliteConnection);

pub(super) async fn keep_out(world: &World, event: &str) -> KeptOut {
    let path = world.dir.path().join("curfew.db");
    let mut log = SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.expect("opens");
    let trigger = format!(
        "CREATE TRIGGER kept_out BEFORE INSERT ON events WHEN NEW.event_type = '{event}' \
         BEGIN SELECT RAISE(ABORT, 'kept out'); END"
    );
    sqlx::query(&trigger).execute(&mut log).await.expect("made");
    KeptOut(log)
}

impl KeptOut {
    pub(super) async fn release(mut self) {
        sqlx::query("DROP TRIGGER kept_out").execute(&mut self.0).await.expect("dropped");
    }
}

impl Stalled {
    pub(super) async fn release(mut self) {
        sqlx::query("ROLLBACK").execute(&mut self.0).await.expect("unlocked");
    }
}
