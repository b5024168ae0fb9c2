// Shows the copy buttons, which do nothing without JavaScript, and copies the address of a feed.
"use strict";

async function copy(field) {
  field.select();
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(field.value);
  } else if (!document.execCommand("copy")) {
    // A page over plain http has no clipboard, and some browsers refuse this older way too.
    throw new Error("no clipboard");
  }
}

for (const button of document.querySelectorAll("button[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const message = document.getElementById("copied");
  button.hidden = false;
  button.addEventListener("click", () => {
    copy(field).then(
      () => { message.textContent = "Copied: " + field.value; },
      () => { message.textContent = "The address is selected: copy it with your keyboard or menu."; },
    );
  });
  field.addEventListener("focus", () => field.select());
}
