import { html, type TemplateResult } from 'lit';
import type { CameraReading, Reading } from './stats.js';

/** A reading as a table: one column for each camera. */
export function statistics(names: readonly string[], reading: Reading | null, latencyMs: number | null): TemplateResult {
  if (reading === null) return html`<p class="hint">Nothing is being received.</p>`;
  const { cameras, roundTripMs } = reading;
  return html`
    <table>
      <thead>
        <tr><th scope="col">Picture</th>${cameras.map((_, camera) => html`<th scope="col">${names[camera] || 'Camera'}</th>`)}</tr>
      </thead>
      <tbody>
        ${row('Resolution', cameras, resolution)} ${row('Bit rate', cameras, ({ bitrate }) => bits(bitrate))}
        ${row('Lost packets', cameras, ({ loss }) => (loss === null ? '–' : `${(loss * 100).toFixed(1)} %`))}
        ${row('Freezes', cameras, freezes)} ${row('Codec', cameras, ({ codec }) => codec ?? '–')}
      </tbody>
    </table>
    <p class="hint">
      Round trip to the server: ${milliseconds(roundTripMs)}. From the robot's clock to this screen: ${milliseconds(latencyMs)}.
    </p>
  `;
}

function row(head: string, cameras: readonly CameraReading[], cell: (camera: CameraReading) => string): TemplateResult {
  return html`<tr><th scope="row">${head}</th>${cameras.map((camera) => html`<td>${cell(camera)}</td>`)}</tr>`;
}

function resolution({ width, height, framesPerSecond }: CameraReading): string {
  if (width === null || height === null) return '–';
  return `${width} × ${height}${framesPerSecond === null ? '' : `, ${Math.round(framesPerSecond)} fps`}`;
}

function bits(bitrate: number | null): string {
  if (bitrate === null) return '–';
  return bitrate >= 1e6 ? `${(bitrate / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bitrate / 1e3)} kbit/s`;
}

function freezes({ freezes, frozenMs }: CameraReading): string {
  if (freezes === null) return '–';
  return freezes === 0 ? 'none' : `${freezes}, ${((frozenMs ?? 0) / 1000).toFixed(1)} s in all`;
}

function milliseconds(ms: number | null): string {
  return ms === null ? 'not known' : `${Math.max(0, Math.round(ms))} ms`;
}
