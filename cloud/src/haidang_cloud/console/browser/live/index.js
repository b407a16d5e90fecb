// The one live picture that all panels of a page draw from.
//
// It is read whole by HTTP, then kept by updates over NiceGUI's socket. Updates are numbered: when
// one is missing, the whole is read again. Rows are replaced, never changed.
export { live, cases, cameras, nodes, minutes, events, start, renew, setting } from "./store.js";
export { because, t, word, nameOf, cameraOf, placeLine, placeBrief, plain } from "./words.js";
export { age, ago, clockTime, dayTime, today, ageOf, hours, number, quarters, timer, when } from "./times.js";
export { answer, note, readCase, goOn, logIn, logOut, say, toasts, readDrafts, readPictures, proposeDrawing, decideDraft } from "./acts.js";
export { readFaults, pressFault } from "./faults.js";
export { openCases, byUrgency, SEVERITIES, cameraState, cameraWord, nodeReason, nodeState, runs, version, caseTitle, caseWhere, caseLine, waited, placed } from "./judge.js";
export { Axis } from "./axis.js";
export { Inset } from "./inset.js";
export { bell, openBell, turnBell } from "./bell.js";
export { Keys, typed } from "./keys.js";
export { Mark } from "./mark.js";
export { HOLD_MS, Shot } from "./shot.js";
export { Pieces } from "./pieces.js";
export { plan } from "./sketch.js";
export { arrow, Editor, forgetDrawing, keptDrawing } from "./editor.js";
export { fault, isWhole, lineFault } from "./polygon.js";
