"use strict";
// Order updates arrive as hints: each asks htmx to fetch the tables once more, at most twice a second.
(() => {
  const line = document.getElementById("connection");
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/orders/`;
  let wait = 1000;
  let due = null;

  const look = () => {
    due ??= setTimeout(() => {
      due = null;
      document.body.dispatchEvent(new Event("look-now"));
    }, 500);
  };

  const say = (text) => {
    line.textContent = text;
    line.hidden = !text;
  };

  const connect = () => {
    const socket = new WebSocket(address);
    socket.onopen = () => {
      wait = 1000;
      say("");
    };
    socket.onmessage = look;
    socket.onclose = () => {
      say("Live updates are interrupted; the tables refresh every 5 seconds.");
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, 30000);
    };
  };

  document.body.addEventListener("htmx:sendError", () => say("The server does not answer: what you see may be old."));
  document.body.addEventListener("htmx:responseError", (event) => {
    const status = event.detail.xhr.status;
    say(status === 403 ? "You are signed out: reload the page." : `The server answered ${status}: what you see may be old.`);
  });
  // After the session has ended the refresh is redirected to the sign-in page: go there instead of showing it inside.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.responseURL && !new URL(event.detail.xhr.responseURL).pathname.startsWith("/execution/")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
  connect();
})();
