// A page that plays a 3D video loop: quads far to near, still ones from one texture, looping ones from a texture a frame.
import { BufferAttribute, BufferGeometry, DataUtils, DoubleSide, GLSL3, LinearFilter, Mesh, OrthographicCamera, PerspectiveCamera, PlaneGeometry, RawShaderMaterial, Scene, Texture, Vector3, WebGLRenderer, WebGLRenderTarget } from "three";
import { OrbitControls } from "three/addons/controls/OrbitControls.js";
import { OBJLoader } from "three/addons/loaders/OBJLoader.js";

const $ = id => document.getElementById(id), mod = (a, n) => ((a % n) + n) % n, clamp = (v, a, b) => Math.min(Math.max(v, a), b);

class Trouble extends Error { constructor(what, mend) { super(what); this.mend = mend; } }

// ---- Files: beside the page, at ?dataurl=, or inside the page itself ----
class Folder {
  constructor(url, inside) { this.url = url.replace(/\/*$/, "/"); this.inside = inside; }
  async blob(name) {
    const at = this.inside ? this.inside[name] : this.url + name;
    if (!at) throw new Trouble(`This page does not hold ${name}.`, "Export the run again.");
    let answer;
    try { answer = await fetch(at); } catch { throw new Trouble(`${at} could not be read.`, "A page opened as a file may not read its neighbours: use `nsc_nb view`, a web server, or the export to one .html file."); }
    if (!answer.ok) throw new Trouble(`${at} was not found (${answer.status}).`, "Check the address: it must be an exported folder, with meta.json in it.");
    return answer.blob();
  }
  async json(name) {
    const text = await (await this.blob(name)).text();
    try { return JSON.parse(text); } catch (e) { throw new Trouble(`${name} is damaged: ${e.message}.`, "Export the run again."); }
  }
  async image(name) {
    const blob = await this.blob(name);
    try { return await createImageBitmap(blob, { premultiplyAlpha: "none", colorSpaceConversion: "none" }); } catch { throw new Trouble(`${name} is not a picture, or is damaged.`, "Export the run again."); }
  }
}

function checked(meta) {
  const want = { fps: 0, fov: 0, frame_count: 0, near: 0, far: 0, up: 3, lookat: 3, limit: 3 };
  for (const [k, n] of Object.entries(want)) {
    const v = meta[k], good = n ? Array.isArray(v) && v.length === n && v.every(Number.isFinite) : Number.isFinite(v) && v > 0;
    if (!good) throw new Trouble(`meta.json has no usable "${k}".`, "Export the run again, or add it by hand.");
  }
  return meta;
}

// ---- Published folders: an OBJ whose colours say which texture, and pictures ----
class Published {
  constructor(folder, meta) { Object.assign(this, { folder, meta, coded: false }); }
  async geometry() {
    const group = new OBJLoader().parse(await (await this.folder.blob("geometry.obj")).text()), made = group.children[0]?.geometry, { position, uv, color } = made?.attributes ?? {};
    if (!position?.count || !uv || !color) throw new Trouble("geometry.obj has no faces with texture coordinates and colours.", "Export the run again.");
    this.kinds = new Uint8Array(position.count / 3);
    for (let i = 0; i < position.count; i++) {
      const loops = color.getY(i) > .5; uv.setY(i, 1 - uv.getY(i)); this.kinds[Math.floor(i / 3)] = loops;
      if (!loops && !(color.getX(i) > .5)) throw new Trouble(`Corner ${i} of geometry.obj is neither still (red) nor looping (green).`, "Export the run again.");
    }
    made.deleteAttribute("color"); made.deleteAttribute("normal"); return grouped(made, this.kinds);
  }
  async still() { return this.kinds.includes(0) ? texture(await this.folder.image("static.png")) : null; }
  async *frames() { for (let k = 0; k < (this.kinds.includes(1) ? this.meta.frame_count : 0); k++) yield texture(await this.folder.image(`dynamic/${String(k).padStart(4, "0")}.png`)); }
}

// ---- Compact folders: a table of tiles; textures as grey planes, one below the other, of a picture and of a film ----
class Compact {
  constructor(folder, meta, unpack) { Object.assign(this, { folder, meta, unpack, coded: true }); }
  async geometry() {
    const { canvas, quads, tile, still, loops } = this.meta, words = new Uint16Array(await (await this.folder.blob("tiles.bin")).arrayBuffer()), n = words.length / 12;
    if (n !== still.count + loops.count) throw new Trouble(`tiles.bin has ${n} tiles, meta.json says ${still.count + loops.count}.`, "Export the run again.");
    const position = new Float32Array(12 * n), uv = new Float32Array(8 * n), kinds = new Uint8Array(n), slope = new Float32Array(16 * n), start = new Float32Array(16 * n), index = new Uint32Array(6 * n), used = [0, 0];
    for (let i = 0; i < n; i++) {
      const [plane, row, column, loop] = words.subarray(12 * i, 12 * i + 4), { grid } = loop ? loops : still, slot = used[loop]++, d = canvas.depths[plane];
      if (!d || row >= quads[0] || column >= quads[1] || loop > 1) throw new Trouble(`Tile ${i} of tiles.bin is nowhere.`, "Export the run again.");
      for (let c = 0; c < 4; c++) {                                     // corners: upper left, upper right, lower left, lower right
        const a = c % 2, b = c >> 1, at = 4 * i + c, x = (column + a) * (canvas.size[1] - 1) / quads[1], y = (row + b) * (canvas.size[0] - 1) / quads[0];
        position.set([(x - canvas.c[0]) / canvas.f[0] * d, (y - canvas.c[1]) / canvas.f[1] * d, d], 3 * at);
        uv.set([(slot % grid[1] * tile + a * (tile - 1) + .5) / (grid[1] * tile), (Math.floor(slot / grid[1]) * tile + b * (tile - 1) + .5) / (grid[0] * tile)], 2 * at);
        for (let k = 0; k < 4; k++) {                                   // logit = (texel - 1/2) / gain + mean, with the sign and the base that the shader wants
          const gain = DataUtils.fromHalfFloat(words[12 * i + 4 + k]), mean = DataUtils.fromHalfFloat(words[12 * i + 8 + k]);
          slope[4 * at + k] = -Math.LOG2E / gain; start[4 * at + k] = -Math.LOG2E * mean;
        }
      }
      index.set([0, 1, 2, 2, 1, 3].map(c => 4 * i + c), 6 * i); kinds[i] = loop;
    }
    const made = new BufferGeometry().setIndex(new BufferAttribute(index, 1));
    for (const [name, array, size] of [["position", position, 3], ["uv", uv, 2], ["slope", slope, 4], ["start", start, 4]]) made.setAttribute(name, new BufferAttribute(array, size));
    return grouped(made, kinds);
  }
  size({ grid }) { return [grid[1] * this.meta.tile, grid[0] * this.meta.tile]; }
  async still() { return this.meta.still.count ? this.unpack(await this.folder.image("still.webp"), ...this.size(this.meta.still)) : null; }
  async *frames() {
    if (!this.meta.loops.count) return;
    const video = Object.assign(document.createElement("video"), { muted: true, preload: "auto", playsInline: true, src: URL.createObjectURL(new Blob([await this.folder.blob("loops.mp4")], { type: "video/mp4" })) });
    const event = name => new Promise((good, bad) => { video.addEventListener(name, good, { once: true }); video.addEventListener("error", () => bad(new Trouble("loops.mp4 is not a film that this browser can show.", "Try another browser, or export the published folder: --format folder.")), { once: true }); });
    video.load(); await event("loadeddata");
    const fps = this.meta.film_fps, shown = k => new Promise(good => {     // "seeked" may come before the frame itself does
      const look = (_, seen) => Math.round(seen.mediaTime * fps) === k ? good() : video.requestVideoFrameCallback(look);
      video.requestVideoFrameCallback?.(look); setTimeout(good, 400);
    });
    for (let k = 0; k < this.meta.frame_count; k++) {
      if (k) { const there = Promise.all([event("seeked"), shown(k)]); video.currentTime = (k + .5) / fps; await there; }
      yield this.unpack(await createImageBitmap(video), ...this.size(this.meta.loops));
    }
    URL.revokeObjectURL(video.src);
  }
}

function texture(image) {
  const t = Object.assign(new Texture(image), { flipY: false, premultiplyAlpha: false, generateMipmaps: false, minFilter: LinearFilter, magFilter: LinearFilter, needsUpdate: true });
  t.onUpdate = () => image.close?.(); return t;
}

// Four grey planes become the four channels of one texture, on the graphics card.
function unpacker(renderer) {
  const material = new RawShaderMaterial({ glslVersion: GLSL3, depthTest: false, depthWrite: false, uniforms: { planes: { value: null }, height: { value: 0 } },
    vertexShader: "in vec3 position; void main() { gl_Position = vec4(position.xy, 0., 1.); }",
    fragmentShader: `precision highp float; uniform sampler2D planes; uniform int height; out vec4 o; float at(int k) { return texelFetch(planes, ivec2(gl_FragCoord.xy) + ivec2(0, k * height), 0).r; }
      void main() { o = vec4(at(0), at(1), at(2), at(3)); }` });
  const scene = new Scene().add(new Mesh(new PlaneGeometry(2, 2), material)), camera = new OrthographicCamera();
  return (image, width, height) => {
    if (image.width < width || image.height < 4 * height) throw new Trouble(`An atlas has ${image.width} x ${image.height} pixels, ${width} x ${4 * height} are needed.`, "Export the run again.");
    const target = new WebGLRenderTarget(width, height, { minFilter: LinearFilter, magFilter: LinearFilter, depthBuffer: false }), planes = texture(image);
    material.uniforms.planes.value = planes; material.uniforms.height.value = height;
    renderer.setRenderTarget(target); renderer.render(scene, camera); renderer.setRenderTarget(null); planes.dispose();
    return target.texture;
  };
}

const quadMaterial = coded => new RawShaderMaterial({ glslVersion: GLSL3, transparent: true, depthTest: false, depthWrite: false, side: DoubleSide, forceSinglePass: true, defines: coded ? { CODED: 1 } : {}, uniforms: { atlas: { value: null } },
  vertexShader: `in vec3 position; in vec2 uv; uniform mat4 modelViewMatrix, projectionMatrix; out vec2 at;
    #ifdef CODED
    in vec4 slope, start; flat out vec4 a, b;
    #endif
    void main() { at = uv; gl_Position = projectionMatrix * modelViewMatrix * vec4(position, 1.);
    #ifdef CODED
      a = slope; b = start;
    #endif
    }`,
  fragmentShader: `precision mediump float; in highp vec2 at; uniform sampler2D atlas; out vec4 o;
    #ifdef CODED
    flat in vec4 a, b;
    #endif
    void main() { o = texture(atlas, at);
    #ifdef CODED
      o = 1. / (1. + exp2(a * (o - .5) + b));                               // filtered first, then activated, as it was trained
    #endif
    }` });

// Runs of faces of one kind. Within a plane the order is free, so still faces go first: two runs a plane, a texture each.
function grouped(geometry, kinds) {
  const n = kinds.length, old = geometry.index?.array ?? Uint32Array.from({ length: 3 * n }, (_, i) => i), size = old.length / n, index = new Uint32Array(old.length);
  const depth = Float64Array.from(kinds, (_, i) => geometry.attributes.position.getZ(old[size * i]).toPrecision(5)), order = Array.from(kinds, (_, i) => i).sort((i, j) => depth[j] - depth[i] || kinds[i] - kinds[j] || i - j);
  order.forEach((i, k) => index.set(old.subarray(size * i, size * (i + 1)), size * k)); geometry.setIndex(new BufferAttribute(index, 1));
  for (let k = 0, from = 0; k < n; k++) if (kinds[order[k]] !== kinds[order[k + 1]]) { geometry.addGroup(size * from, size * (k + 1 - from), kinds[order[k]]); from = k + 1; }
  return geometry;
}

// ---- The viewer ----
class Viewer {
  constructor(canvas) {
    this.canvas = canvas; this.camera = new PerspectiveCamera(); this.scene = new Scene(); this.textures = [];
    Object.assign(this, { position: 0, direction: 1, speed: 1, playing: false, drawn: 0, stale: true, tilted: [0, 0] });
    try { this.renderer = new WebGLRenderer({ canvas, antialias: false, depth: false, stencil: false, powerPreference: "high-performance" }); } catch { throw new Trouble("This browser shows no WebGL 2 graphics.", "Switch hardware acceleration on, or try another browser."); }
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2)); this.renderer.sortObjects = false;
    canvas.addEventListener("webglcontextlost", e => { e.preventDefault(); report(new Trouble("The graphics card was taken away.", "Load this page again.")); });
    new ResizeObserver(() => this.resize()).observe(canvas.parentElement);
  }
  async open(folder, progress) {
    const meta = this.meta = checked(await folder.json("meta.json")), Form = meta.format === "nsc-loop" ? Compact : Published;
    const form = new Form(folder, meta, unpacker(this.renderer)), geometry = await form.geometry(), most = this.renderer.capabilities.maxTextureSize;
    [this.still, this.loops] = [quadMaterial(form.coded), quadMaterial(form.coded)]; this.quads = new Mesh(geometry, [this.still, this.loops]); this.quads.frustumCulled = false; this.scene.add(this.quads);
    const load = t => {
      if (t && Math.max(t.image.width, t.image.height) > most) throw new Trouble(`A texture has ${t.image.width} x ${t.image.height} pixels, this graphics card takes ${most}.`, "Train the loop on smaller clips.");
      if (t && !t.isRenderTargetTexture) this.renderer.initTexture(t);
      return t;
    };
    this.still.uniforms.atlas.value = load(await form.still()); this.stand(); this.steer();
    for await (const t of form.frames()) { this.textures.push(load(t)); progress(this.textures.length, meta.frame_count); if (this.textures.length === 1) this.begin(); }
    if (!this.textures.length) this.begin();
    this.whole = true;
  }
  begin() { this.resize(); this.draw(); performance.mark("first-frame"); this.started?.(); requestAnimationFrame(t => this.tick(t, t)); }

  // Time: a place in the loop that goes round, forwards or backwards; frames that are not there yet are waited for.
  get frames() { return this.textures.length ? this.meta.frame_count : 1; }
  get frame() { return Math.min(Math.floor(this.position), Math.max(this.textures.length - 1, 0)); }
  seek(t) { this.position = mod(t, this.frames); this.stale = true; this.moved?.(); }
  advance(seconds) {
    const was = this.frame, to = this.position + seconds * this.meta.fps * this.speed * this.direction;
    this.position = this.whole ? mod(to, this.frames) : clamp(to, 0, Math.max(this.textures.length - .001, 0));
    if (this.frame !== was) { this.stale = true; this.moved?.(); }
  }
  tick(now, before) {
    if (this.playing) this.advance(Math.min((now - before) / 1000, .25));
    this.controls.update();
    if (this.stale) this.draw();
    requestAnimationFrame(t => this.tick(t, now));
  }
  draw() { this.stale = false; this.drawn++; this.loops.uniforms.atlas.value = this.textures[this.frame] ?? null; this.renderer.render(this.scene, this.camera); }

  // View: from the middle towards `lookat`; never farther aside than the clips were filmed, never behind the first plane.
  stand(eye = [0, 0, 0], target = this.meta.lookat, up = this.meta.up, fov = null) {
    this.fixed = fov; this.camera.up.set(...up); this.camera.position.set(...eye); this.camera.lookAt(...target); this.controls?.target.set(...target);
    this.camera.near = this.meta.near / 100; this.camera.far = this.meta.far * 10; this.resize();
  }
  steer() {
    this.controls?.dispose(); const c = this.controls = new OrbitControls(this.camera, this.canvas), { limit, lookat } = this.meta, reach = Math.hypot(...lookat);
    Object.assign(c, { enableDamping: true, dampingFactor: .12, zoomSpeed: .25, rotateSpeed: 2 * Math.atan(Math.max(limit[0], limit[1]) / reach) / Math.PI, panSpeed: .25 });
    this.canvas.style.cursor = limit.some(Boolean) ? "" : "default"; c.target.set(...lookat); c.update(); c.saveState(); c.addEventListener("change", () => this.confine());
  }
  confine() {
    this.stale = true; if (this.fixed) return;
    const { limit, near, lookat } = this.meta, p = this.camera.position, before = p.clone(), t = this.controls.target;
    p.set(clamp(p.x, -limit[0], limit[0]), clamp(p.y, -limit[1], limit[1]), clamp(p.z, -limit[2], Math.min(limit[2], .9 * near)));
    t.set(...lookat.map((v, i) => clamp(t.getComponent(i), v - limit[i], v + limit[i])));
    if (!p.equals(before)) this.camera.lookAt(t);
  }
  move(x, y, z = 0, aside = false) { const by = new Vector3(x, y, z).multiply(new Vector3(...this.meta.limit)); this.camera.position.add(by); if (aside) this.controls.target.add(by); this.camera.lookAt(this.controls.target); this.confine(); }
  tilt(x, y) { this.move(x - this.tilted[0], y - this.tilted[1]); this.tilted = [x, y]; }
  reset() { this.tilted = [0, 0]; this.stand(); this.steer(); }
  resize() {
    const { clientWidth: w, clientHeight: h } = this.canvas.parentElement, aspect = w / Math.max(h, 1), wide = 16 / 9;
    if (!this.meta || !w || !h) return;
    this.renderer.setSize(w, h, false); this.camera.aspect = aspect; this.camera.fov = this.fixed ?? (aspect > wide ? this.meta.fov * wide / aspect : this.meta.fov);
    this.camera.updateProjectionMatrix(); if (this.quads) this.draw();
  }
}

// ---- The page around it ----
function report(e) {
  const box = $("trouble"), [title, more] = ["b", "span"].map((tag, i) => Object.assign(document.createElement(tag), { textContent: [e.message, e.mend ?? "Load this page again."][i] }));
  box.replaceChildren(title, more); box.hidden = false; $("loading").hidden = true;
}

function wire(viewer) {
  const play = on => { viewer.playing = on; $("play").ariaLabel = on ? "Pause" : "Play"; $("play").querySelector("path").setAttribute("d", on ? "M3 2h4v12H3zM9 2h4v12H9z" : "M3 1l11 7-11 7z"); };
  const back = on => { viewer.direction = on ? -1 : 1; $("reverse").ariaPressed = String(on); };
  const step = by => { play(false); viewer.seek(viewer.frame + by); };
  const full = () => document.fullscreenElement ? document.exitFullscreen() : $("stage").requestFullscreen?.();
  viewer.started = () => {
    $("bar").hidden = viewer.frames < 2 && !viewer.meta.limit.some(Boolean); $("scrub").max = viewer.frames - 1; viewer.moved();
    play(!matchMedia("(prefers-reduced-motion: reduce)").matches && viewer.frames > 1);
  };
  viewer.moved = () => { const f = viewer.frame; $("scrub").value = f; $("scrub").ariaValueText = `frame ${f + 1} of ${viewer.frames}`; $("frame").textContent = `${f + 1}/${viewer.frames}`; };
  $("play").onclick = () => play(!viewer.playing);
  $("reverse").onclick = () => back(viewer.direction > 0);
  $("scrub").oninput = e => { play(false); viewer.seek(+e.target.value); };
  $("speed").onchange = e => { viewer.speed = +e.target.value; };
  $("reset").onclick = () => viewer.reset();
  $("full").onclick = full; $("full").hidden = !document.fullscreenEnabled;
  const tilting = e => { if (e.beta === null) return; const b = viewer.level ??= [e.gamma, e.beta]; viewer.tilt(clamp((e.gamma - b[0]) / 20, -1, 1), clamp((e.beta - b[1]) / 20, -1, 1)); };
  $("tilt").hidden = !("DeviceOrientationEvent" in window && matchMedia("(pointer: coarse)").matches);
  $("tilt").onclick = async () => {
    const on = $("tilt").ariaPressed !== "true";
    if (on && await DeviceOrientationEvent.requestPermission?.().catch(() => "denied") === "denied") return;
    $("tilt").ariaPressed = String(on); viewer.level = undefined; on ? addEventListener("deviceorientation", tilting) : removeEventListener("deviceorientation", tilting);
  };
  const keys = { " ": () => play(!viewer.playing), r: () => back(viewer.direction > 0), ",": () => step(-1), ".": () => step(1), 0: () => viewer.reset(), f: full, "+": () => viewer.move(0, 0, .1), "-": () => viewer.move(0, 0, -.1) };
  const arrows = { ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, -.1], ArrowDown: [0, .1] };
  addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey || (e.target !== $("view") && e.target !== document.body)) return;
    const key = e.key.length === 1 ? e.key.toLowerCase() : e.key;
    if (arrows[key]) viewer.move(...arrows[key], 0, e.shiftKey); else if (keys[key]) keys[key](); else return;
    e.preventDefault();
  });
  let rest; const awake = () => { $("stage").classList.remove("idle"); clearTimeout(rest); rest = setTimeout(() => $("stage").classList.add("idle"), 3000); };
  for (const name of ["pointermove", "pointerdown", "keydown"]) addEventListener(name, awake);
  awake();
}

async function main() {
  const asked = new URLSearchParams(location.search), inside = $("scene") && JSON.parse($("scene").textContent); document.body.classList.toggle("bare", asked.has("bare"));
  try {
    const viewer = window.loop = new Viewer($("view")); wire(viewer);
    await viewer.open(new Folder(asked.get("dataurl") ?? ".", inside), (k, n) => { $("loading").firstElementChild.value = k / n; $("loading").lastElementChild.textContent = `${k} of ${n} frames`; });
    $("loading").hidden = true;
  } catch (e) { if (!(e instanceof Trouble)) console.error(e); report(e); }
}
main();
