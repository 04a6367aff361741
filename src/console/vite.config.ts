import { defineConfig } from 'vitest/config';

/** Where `npm run dev` finds a running server: `CURFEW_URL=http://127.0.0.1:8080 npm run dev`. */
const server = process.env['CURFEW_URL'] ?? 'http://127.0.0.1:8080';
const routes = ['/auth', '/audit', '/admin', '/bookings', '/config', '/health', '/my-bookings', '/robots', '/videos', '/webrtc'];

export default defineConfig({
  base: './',
  build: {
    outDir: 'dist',
    target: 'es2022',
    // The polyfill would be inline code, which the policy of mod.rs forbids, and one module needs no preloading.
    modulePreload: false,
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      ...Object.fromEntries(routes.map((route) => [route, server])),
      '/ws': { target: server, ws: true },
    },
  },
  test: { include: ['app/**/*.test.ts'] },
});
