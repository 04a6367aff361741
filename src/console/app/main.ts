/** Starts the console: defines its elements; `<curfew-app>` in index.html does the rest. */
import './viewer/curfew-viewer.js';
import './app.js';
