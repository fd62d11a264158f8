// What scripts say to people, in the language of the page: the server wrote the sentences into its head.
const words = JSON.parse(document.querySelector("#words").textContent);

export function word(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}
