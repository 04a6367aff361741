import { decodeStamp, STAMP_HEIGHT, STAMP_WIDTH } from './stamp.js';

export interface FrameEvents {
  /** The first frame since the start or since `restart`, at a reading of the page's monotonic clock. */
  first: (shownAt: number) => void;
  /** A frame's stamp (Unix milliseconds by the robot's clock) and when that frame was shown (monotonic). */
  stamp: (stampedAt: number, shownAt: number) => void;
  /** Frames stopped coming, or came again. */
  flowing: (flowing: boolean) => void;
}

const READ_EVERY_MS = 500;
const STALLED_AFTER_MS = 1500;

/** Watches what a `<video>` really shows, frame by frame. */
export class Frames {
  readonly #canvas = new OffscreenCanvas(STAMP_WIDTH, STAMP_HEIGHT);
  readonly #context = this.#canvas.getContext('2d', { willReadFrequently: true });
  #request = 0;
  #first = true;
  #readAt = Number.NEGATIVE_INFINITY;
  #stalled: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly on: FrameEvents,
  ) {
    if ('requestVideoFrameCallback' in video) this.#next();
  }

  /** Another stream begins: nothing flows until its first frame, which counts as one. */
  restart(): void {
    this.#first = true;
    clearTimeout(this.#stalled);
    this.#stalled = undefined;
    this.on.flowing(false);
  }

  stop(): void {
    clearTimeout(this.#stalled);
    if (this.#request !== 0) this.video.cancelVideoFrameCallback(this.#request);
  }

  #next(): void {
    this.#request = this.video.requestVideoFrameCallback((now, frame) => {
      this.#next();
      this.#onFrame(now, frame);
    });
  }

  #onFrame(now: number, frame: VideoFrameCallbackMetadata): void {
    if (this.#first) {
      this.#first = false;
      this.on.first(frame.presentationTime);
    }
    if (this.#stalled === undefined) this.on.flowing(true);
    clearTimeout(this.#stalled);
    this.#stalled = setTimeout(() => {
      this.#stalled = undefined;
      this.on.flowing(false);
    }, STALLED_AFTER_MS);
    if (now - this.#readAt < READ_EVERY_MS) return;
    this.#readAt = now;
    this.#readStamp(frame);
  }

  #readStamp(frame: VideoFrameCallbackMetadata): void {
    if (this.#context === null || frame.width < STAMP_WIDTH || frame.height < STAMP_HEIGHT) return;
    this.#context.drawImage(this.video, 0, 0, STAMP_WIDTH, STAMP_HEIGHT, 0, 0, STAMP_WIDTH, STAMP_HEIGHT);
    const stamp = decodeStamp(this.#context.getImageData(0, 0, STAMP_WIDTH, STAMP_HEIGHT).data);
    if (stamp !== null) this.on.stamp(stamp, frame.expectedDisplayTime);
  }
}
