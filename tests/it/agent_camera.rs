//! `curfew robot` with a camera that another program reads: what people see while that program is gone, and afterwards.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::process::{Child, Command};

use crate::agent::receive;
use crate::support::{ReceivedCamera, RobotServer, fact, is_key};

/// What the agent takes for `ffmpeg`: writes grey pictures of 64 × 48, unless the camera is unplugged.
const CAMERA: &str = "#!/bin/sh
cd \"$(dirname \"$0\")\" || exit 9
[ ! -e unplugged ] || { echo 'no such device' >&2; exit 1; }
echo $$ > pid.new && mv pid.new pid
printf 'YUV4MPEG2 W64 H48 F30:1 Ip A1:1 C420jpeg\\n'
while printf 'FRAME\\n' && head -c 4608 /dev/zero; do sleep 0.03; done
";

/// The agent as a process of its own, and the folder in which its camera lives.
struct Robot {
    folder: tempfile::TempDir,
    _agent: Child,
}

impl Robot {
    fn start(server: &RobotServer) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("ffmpeg"), CAMERA).expect("written");
        std::fs::set_permissions(file("ffmpeg"), std::fs::Permissions::from_mode(0o755)).expect("executable");
        std::fs::write(file("token"), "curfew_robot_test").expect("written");
        let mut path = folder.path().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let agent = Command::new(env!("CARGO_BIN_EXE_curfew"))
            .env("PATH", path)
            .args(["robot", "--source", "front=v4l2:/dev/video0"])
            .args(["--server", &format!("http://{}", server.listener.local_addr().expect("bound"))])
            .args([Path::new("--token-file"), &file("token"), Path::new("--status-file"), &file("status")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("starts");
        Self { folder, _agent: agent }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The process that reads the camera.
    fn reader(&self) -> String {
        std::fs::read_to_string(self.file("pid")).expect("started").trim().to_owned()
    }

    /// The first camera, as `curfew robot status` shows it.
    fn camera(&self) -> Value {
        let text = std::fs::read_to_string(self.file("status")).unwrap_or_default();
        let status: Value = serde_json::from_str(&text).unwrap_or_default();
        status["cameras"][0].clone()
    }
}

async fn kill(process: &str) {
    let killed = Command::new("kill").args(["-9", process]).status().await.expect("runs");
    assert!(killed.success(), "{process} was not there");
}

/// Passes frames over up to the next key frame.
async fn next_key_frame(camera: &mut ReceivedCamera) {
    while !is_key(&fact("key frame", camera.frame()).await.expect("the same connection")) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_whose_reader_dies_comes_back_in_the_same_connection() {
    let server = RobotServer::start().await;
    let robot = Robot::start(&server);
    let mut link = server.accept().await;
    link.publish(None, 120_000).await;
    let (_receiver, [mut camera]) = receive(&mut link).await;
    assert_eq!(camera.name, "front");
    next_key_frame(&mut camera).await;
    let first = robot.reader();
    kill(&first).await;
    // A frame of before may still be on its way.
    while robot.reader() == first {
        camera.next_frame().await;
    }
    next_key_frame(&mut camera).await;
    let second = robot.reader();
    std::fs::write(robot.file("unplugged"), "").expect("written");
    kill(&second).await;
    // Who asks meanwhile gets the last picture, so asking is also how the time passes here.
    let is_unplugged =
        |shown: &Value| shown["reason"].as_str().is_some_and(|why| why.contains("no such device"));
    while !is_unplugged(&robot.camera()) {
        camera.ask_for_key_frame().await;
        next_key_frame(&mut camera).await;
    }
    assert_eq!(robot.camera()["state"], "lost");
    std::fs::remove_file(robot.file("unplugged")).expect("removed");
    while robot.camera()["state"] != "sending" {
        fact("frame", camera.frame()).await.expect("the same connection");
    }
    assert_ne!(robot.reader(), second);
}
