'use strict';
// Shows the values of a chart under the pointer, or along the arrow keys. The values are written into the page beside
// each chart; nothing is computed here.
(() => {
  const box = document.createElement('div');
  box.className = 'read-out';
  box.hidden = true;
  document.body.append(box);

  for (const area of document.querySelectorAll('.readings')) {
    const chart = area.ownerSVGElement;
    const places = area.dataset.places.split(' ').map(Number);
    const texts = area.dataset.texts.split('|');
    const line = document.createElementNS(chart.namespaceURI, 'line');
    line.setAttribute('class', 'pointer');
    let shown = -1;

    const show = (index) => {
      shown = Math.max(0, Math.min(places.length - 1, index));
      const frame = chart.getBoundingClientRect();
      const scale = frame.width / chart.viewBox.baseVal.width;
      const top = area.y.baseVal.value, height = area.height.baseVal.value;
      line.setAttribute('x1', places[shown]);
      line.setAttribute('x2', places[shown]);
      line.setAttribute('y1', top);
      line.setAttribute('y2', top + height);
      chart.append(line);
      box.textContent = texts[shown].replaceAll(';', '\n');
      box.hidden = false;
      const x = frame.left + places[shown] * scale;
      const left = x + 14 + box.offsetWidth < innerWidth ? x + 14 : x - 14 - box.offsetWidth;
      const y = frame.top + top * scale + 8;
      box.style.left = Math.max(0, left) + 'px';
      box.style.top = Math.max(0, Math.min(innerHeight - box.offsetHeight, y)) + 'px';
    };
    const hide = () => { line.remove(); box.hidden = true; };

    area.setAttribute('tabindex', '0');
    area.addEventListener('pointermove', (event) => {
      const frame = chart.getBoundingClientRect();
      const x = (event.clientX - frame.left) * chart.viewBox.baseVal.width / frame.width;
      let next = places.findIndex((place) => place >= x);
      if (next < 0) next = places.length - 1;
      show(next > 0 && x - places[next - 1] < places[next] - x ? next - 1 : next);
    });
    area.addEventListener('pointerleave', hide);
    area.addEventListener('blur', hide);
    area.addEventListener('keydown', (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) { event.preventDefault(); show(shown + step); }
      if (event.key === 'Escape') hide();
    });
  }
  document.documentElement.classList.add('live');
})();
