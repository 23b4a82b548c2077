"use strict";
(function () {
  var form = document.getElementById("filter");
  var table = document.getElementById("failed");
  if (!form || !table) { return; }
  var text = document.getElementById("filter-text");
  var code = document.getElementById("filter-code");
  var shown = document.getElementById("shown");
  var rows = Array.prototype.slice.call(table.tBodies[0].rows);
  var words = rows.map(function (row) { return row.textContent.toLowerCase(); });
  function filter() {
    var wanted = text.value.toLowerCase();
    var count = 0;
    rows.forEach(function (row, number) {
      var fits = words[number].indexOf(wanted) >= 0 && (!code.value || row.cells[0].textContent === code.value);
      row.hidden = !fits;
      count += fits ? 1 : 0;
    });
    shown.textContent = count + " of " + rows.length + " shown";
  }
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  text.addEventListener("input", filter);
  code.addEventListener("change", filter);
  filter();
})();
