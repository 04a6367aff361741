//! Reads YUV4MPEG2, the form in which a decoder passes raw pictures down a pipe together with their size.

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

use super::image::Image;

/// Longest header line, bytes; real ones have less than a hundred.
const LINE_MAX: u64 = 512;

#[derive(Debug, thiserror::Error)]
pub(super) enum Y4mError {
    #[error("the pictures' pipe broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("the pictures end in the middle of one")]
    Truncated,
    #[error("this is no YUV4MPEG2 stream: `{0}`")]
    Header(String),
    #[error("pictures of this size cannot be sent: `{0}`")]
    Size(String),
    #[error("pictures that are not planar 4:2:0: `{0}`")]
    Chroma(String),
}

/// A stream of pictures of one size.
pub(super) struct Y4m<R> {
    reader: R,
    blank: Image,
}

impl<R: AsyncBufRead + AsyncRead + Unpin> Y4m<R> {
    /// Reads the stream's header; `None` when there is nothing at all.
    pub(super) async fn open(mut reader: R) -> Result<Option<Self>, Y4mError> {
        let Some(line) = line(&mut reader).await? else { return Ok(None) };
        let mut fields = line.split(' ');
        if fields.next() != Some("YUV4MPEG2") {
            return Err(Y4mError::Header(line));
        }
        let (mut width, mut height) = (None, None);
        for field in fields {
            // The first letter is ASCII in every field there is.
            match field.split_at_checked(1) {
                Some(("W", value)) => width = value.parse().ok(),
                Some(("H", value)) => height = value.parse().ok(),
                Some(("C", value)) if !matches!(value, "420" | "420jpeg" | "420mpeg2" | "420paldv") => {
                    return Err(Y4mError::Chroma(line));
                }
                _ => {}
            }
        }
        let blank = width.zip(height).and_then(|(width, height)| Image::black(width, height));
        let blank = blank.ok_or(Y4mError::Size(line))?;
        Ok(Some(Self { reader, blank }))
    }

    /// Across and down.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.blank.width, self.blank.height)
    }

    /// The next picture; `None` at the end. Not cancel safe.
    pub(super) async fn picture(&mut self) -> Result<Option<Image>, Y4mError> {
        let Some(header) = line(&mut self.reader).await? else { return Ok(None) };
        if header != "FRAME" && !header.starts_with("FRAME ") {
            return Err(Y4mError::Header(header));
        }
        let mut image = self.blank.clone();
        for plane in [&mut image.y, &mut image.u, &mut image.v] {
            self.reader.read_exact(plane).await.map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => Y4mError::Truncated,
                _ => Y4mError::Io(error),
            })?;
        }
        Ok(Some(image))
    }
}

async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<String>, Y4mError> {
    let mut bytes = Vec::new();
    reader.take(LINE_MAX).read_until(b'\n', &mut bytes).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&bytes);
    match text.strip_suffix('\n') {
        Some(line) => Ok(Some(line.to_owned())),
        None if bytes.len() as u64 == LINE_MAX => Err(Y4mError::Header(text.chars().take(40).collect())),
        None => Err(Y4mError::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &[u8]) -> Result<Vec<Image>, Y4mError> {
        let mut images = Vec::new();
        let Some(mut stream) = Y4m::open(bytes).await? else { return Ok(images) };
        while let Some(image) = stream.picture().await? {
            images.push(image);
        }
        Ok(images)
    }

    #[tokio::test]
    async fn pictures_follow_the_header() {
        let mut bytes = b"YUV4MPEG2 W4 H2 F30:1 Ip A1:1 C420jpeg XYSCSS=420JPEG\n".to_vec();
        for first in [1, 101] {
            bytes.extend_from_slice(b"FRAME\n");
            bytes.extend(first..first + 12);
        }
        let images = read(&bytes).await.expect("reads");
        assert_eq!(images.len(), 2);
        assert_eq!(images[0].y, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!((&images[1].u[..], &images[1].v[..]), (&[109, 110][..], &[111, 112][..]));
        assert_eq!(read(b"").await.expect("nothing").len(), 0);
        bytes.pop();
        assert!(matches!(read(&bytes).await, Err(Y4mError::Truncated)));
    }

    #[tokio::test]
    async fn what_is_no_stream_of_pictures_is_refused() {
        let check = async |text: &str, expected: fn(&Y4mError) -> bool| {
            let error = read(text.as_bytes()).await.err().unwrap_or_else(|| panic!("{text}"));
            assert!(expected(&error), "{text}: {error}");
        };
        let header = |error: &Y4mError| matches!(error, Y4mError::Header(_));
        let size = |error: &Y4mError| matches!(error, Y4mError::Size(_));
        check("RIFF W4 H2\n", header).await;
        check(&"x".repeat(2_000), header).await;
        check("YUV4MPEG2 W4", |error| matches!(error, Y4mError::Truncated)).await;
        check("YUV4MPEG2 W4 H2\nFRAM\n", header).await;
        for sides in ["W4", "W0 H2", "W3 H2", "W4 H-2", "W99999999 H99999999", "W4 H1090", "Wé H2"] {
            check(&format!("YUV4MPEG2 {sides}\n"), size).await;
        }
        check("YUV4MPEG2 W4 H2 C444\n", |error| matches!(error, Y4mError::Chroma(_))).await;
        check("YUV4MPEG2 W4 H2 C420p10\n", |error| matches!(error, Y4mError::Chroma(_))).await;
    }
}
